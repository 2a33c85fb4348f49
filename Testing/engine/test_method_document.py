"""docs/explanation/method.md leads from equations to functions to tests: all three must be there."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import settings_table

from coranet.data import mixing
from coranet.training import dial
from coranet_experiments.plan import VARIANTS

ENGINE_TESTS = Path(__file__).resolve().parent
DOCUMENT = (ENGINE_TESTS.parents[1] / "docs" / "explanation" / "method.md").read_text(encoding="utf-8")
COMPARED = (ENGINE_TESTS.parents[1] / "docs" / "explanation" / "compared-methods.md").read_text(encoding="utf-8")
TESTS = sorted(set(re.findall(r"`(test_\w+\.py)::(\w+)`", DOCUMENT)))
EQUATIONS = DOCUMENT.partition("## Equations")[2].partition("\n## ")[0]
FUNCTIONS = sorted(set(re.findall(r"`([a-z_.]+)\.(\w+)`", re.sub(r"`test_[^`]*`", "", EQUATIONS))))


def test_each_test_that_the_document_names_exists():
    texts = {file: (ENGINE_TESTS / file).read_text(encoding="utf-8") for file, _ in TESTS}
    assert [f"{file}::{test}" for file, test in TESTS if f"def {test}(" not in texts[file]] == []


def test_each_function_that_the_document_names_exists():
    for module, name in FUNCTIONS:
        package = "" if module.startswith("coranet_experiments.") else "coranet."
        assert hasattr(importlib.import_module(f"{package}{module}"), name), f"there is no {module}.{name}"


def test_the_document_names_functions_and_tests():
    assert len(TESTS) > 20 and len(FUNCTIONS) > 15


def test_the_document_compares_each_setting_with_the_paper():
    lines = set(DOCUMENT.splitlines())
    missing = [row for row in settings_table.rows() if row not in lines]
    assert not missing, "run Testing/engine/settings_table.py; docs/explanation/method.md needs\n" + "\n".join(missing)


def test_the_table_has_no_row_of_its_own():
    assert settings_table.with_table(DOCUMENT) == DOCUMENT


def test_each_variant_of_an_experiment_is_described():
    assert [variant for variant in VARIANTS if f"`{variant}`" not in DOCUMENT + COMPARED] == []


def test_the_document_states_the_constants_of_the_program():
    assert f"{mixing._LEAST_SHARE:g} to {mixing._MOST_SHARE:g} of the patch" in DOCUMENT
    assert f"{dial.MOST_CAUTION:g}" in DOCUMENT
