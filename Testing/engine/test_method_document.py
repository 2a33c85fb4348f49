"""docs/method.md leads from equations to functions to tests: all three must be there."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path

import pytest

from coranet.config import TrainConfig

ENGINE_TESTS = Path(__file__).resolve().parent
DOCUMENT = (ENGINE_TESTS.parents[1] / "docs" / "method.md").read_text(encoding="utf-8")
TESTS = sorted(set(re.findall(r"`(test_\w+\.py)::(\w+)`", DOCUMENT)))
EQUATIONS = DOCUMENT.partition("## Equations")[2].partition("\n## ")[0]
FUNCTIONS = sorted(set(re.findall(r"`([a-z_.]+)\.(\w+)`", re.sub(r"`test_[^`]*`", "", EQUATIONS))))


@pytest.mark.parametrize(("file", "test"), TESTS, ids="::".join)
def test_each_test_that_the_document_names_exists(file, test):
    assert f"def {test}(" in (ENGINE_TESTS / file).read_text(encoding="utf-8")


@pytest.mark.parametrize(("module", "name"), FUNCTIONS, ids=".".join)
def test_each_function_that_the_document_names_exists(module, name):
    assert hasattr(importlib.import_module(f"coranet.{module}"), name)


def test_the_document_names_functions_and_tests():
    assert len(TESTS) > 20 and len(FUNCTIONS) > 15


@pytest.mark.parametrize("setting", [one for one in TrainConfig.settings() if one.paper], ids=lambda one: one.name)
def test_the_document_compares_each_setting_with_the_paper(setting):
    values = []
    for preset in ("default", "quick"):
        value = TrainConfig.from_preset(preset, {})
        for part in setting.name.split("."):
            value = getattr(value, part)
        values.append(json.dumps(value))
    row = f"| `{setting.name}` | {setting.paper} | {values[0]} | {values[1]} |"
    assert row in DOCUMENT, f"docs/method.md needs the row: {row}"
