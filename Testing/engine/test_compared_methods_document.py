"""docs/explanation/compared-methods.md leads from methods to functions to tests, with constants: all must be true."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from coranet.contract.config import TrainingConfig
from coranet.methods import METHODS, advnet, mean_teacher, ua_mt, vat

ENGINE_TESTS = Path(__file__).resolve().parent
DOCUMENT = (ENGINE_TESTS.parents[1] / "docs" / "explanation" / "compared-methods.md").read_text(encoding="utf-8")
TESTS = sorted(set(re.findall(r"`(test_\w+\.py)::(\w+)`", DOCUMENT)))


@pytest.mark.parametrize("name", METHODS)
def test_each_method_has_a_row_that_names_its_class_and_a_test(name):
    row = re.search(rf"^\| `{name}` \|.*\| `([a-z_.]+)\.(\w+)` \| `test_\w+\.py::.*$", DOCUMENT, re.MULTILINE)
    assert row, f"docs/explanation/compared-methods.md has no row for '{name}'"
    assert getattr(importlib.import_module(f"coranet.{row[1]}"), row[2]) is METHODS[name]


@pytest.mark.parametrize(("file", "test"), TESTS, ids="::".join)
def test_each_test_that_the_document_names_exists(file, test):
    assert f"def {test}(" in (ENGINE_TESTS / file).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "stated",
    [
        f"`CONSISTENCY_SCALE` = {mean_teacher.CONSISTENCY_SCALE:g} times",
        rf"\rho \cdot {mean_teacher.CONSISTENCY_SCALE:g} \lambda",
        f"over {ua_mt.PASSES} random passes",
        f"`SMOOTHNESS_SCALE` = {vat.SMOOTHNESS_SCALE:g} makes",
        rf"\rho \cdot {vat.SMOOTHNESS_SCALE:g} \lambda",
        f"`EPSILON` = {vat.EPSILON:g} of",
        f"$a_l$ = {4 * advnet.ADVERSARIAL_WEIGHT_LABELED:g} / 4",
        f"$a_u$ = {4 * advnet.ADVERSARIAL_WEIGHT_UNLABELED:g} / 4",
        rf"D(\bar p) > {advnet.TRUSTED:g}",
        f"`certain_weight` ({TrainingConfig().certain_weight:g})",
        f"`consistency_weight` ({TrainingConfig().consistency_weight:g})",
    ],
)
def test_constants_are_those_of_the_program(stated):
    assert stated in DOCUMENT
