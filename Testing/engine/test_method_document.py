"""docs/explanation/method.md leads from equations to functions to tests: all three must be there."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest
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


@pytest.mark.parametrize(("file", "test"), TESTS, ids="::".join)
def test_each_test_that_the_document_names_exists(file, test):
    assert f"def {test}(" in (ENGINE_TESTS / file).read_text(encoding="utf-8")


@pytest.mark.parametrize(("module", "name"), FUNCTIONS, ids=".".join)
def test_each_function_that_the_document_names_exists(module, name):
    package = "" if module.startswith("coranet_experiments.") else "coranet."
    assert hasattr(importlib.import_module(f"{package}{module}"), name)


def test_the_document_names_functions_and_tests():
    assert len(TESTS) > 20 and len(FUNCTIONS) > 15


@pytest.mark.parametrize("row", settings_table.rows(), ids=lambda row: row.split("|")[1].strip(" `"))
def test_the_document_compares_each_setting_with_the_paper(row):
    assert row in DOCUMENT.splitlines(), (
        f"run Testing/engine/settings_table.py; docs/explanation/method.md needs the row: {row}"
    )


def test_the_table_has_no_row_of_its_own():
    assert settings_table.with_table(DOCUMENT) == DOCUMENT


@pytest.mark.parametrize("variant", VARIANTS)
def test_each_variant_of_an_experiment_is_described(variant):
    assert f"`{variant}`" in DOCUMENT + COMPARED


def test_the_document_states_the_constants_of_the_program():
    assert f"{mixing._LEAST_SHARE:g} to {mixing._MOST_SHARE:g} of the patch" in DOCUMENT
    assert f"{dial.MOST_CAUTION:g}" in DOCUMENT
