"""The table of programs, by hand."""

from __future__ import annotations

import pytest
from program_table import class_means, markdown, summary

COST = {"seconds": 60.0, "processor_seconds": 55.0, "peak_mib": 1024}


def run(program: str, seed: int, *dice_of_cases: tuple[float | None, float], steps: int | None = 100) -> dict:
    cases = {
        f"case{number}": {"dice": {"organ": organ, "lesion": lesion}, "hd95_mm": {"organ": 2.0, "lesion": None}}
        for number, (organ, lesion) in enumerate(dice_of_cases)
    }
    return {
        "program": program, "seed": seed, "training": COST, "predicting": {**COST, "peak_mib": 512 * (seed + 1)},
        "told": {"steps": steps}, "cases": cases,
    }  # fmt: skip


def test_cases_are_averaged_first_then_classes_then_seeds():
    rows = [run("a", 0, (0.8, 0.4), (0.6, 0.6)), run("a", 1, (None, 0.5), (0.9, 0.7)), run("b", 0, (1.0, 1.0))]
    assert class_means(rows[1], "dice") == {"organ": pytest.approx(0.9), "lesion": pytest.approx(0.6)}
    first, second = summary(rows)
    assert (first["program"], second["program"], first["seeds"]) == ("a", "b", [0, 1])
    assert first["dice"] == pytest.approx((0.6 + 0.75) / 2)
    assert first["dice_sd"] == pytest.approx(0.15 / 2**0.5) and second["dice_sd"] is None
    assert first["dice_of_classes"] == {"organ": pytest.approx(0.8), "lesion": pytest.approx(0.55)}
    assert (first["hd95_mm"], first["hd95_mm_of_classes"]["lesion"]) == (2.0, None)
    assert (first["seconds_a_case"], second["seconds_a_case"]) == (30.0, 60.0)
    assert (first["training_peak_mib"], first["predicting_peak_mib"]) == (1024, 1024)


def test_the_table_for_people():
    text = markdown(summary([run("nnunet", 0, (0.8, 0.4), steps=None)]), "hippocampus", "1h")
    head, rule, row = text.splitlines()
    assert head.count("|") == rule.count("|") == row.count("|")
    assert row == "| hippocampus | 1h | nnunet | 1 | 0.600 | 0.800 | 0.400 | 2.0 | 60 | - | 1.0 | 60.0 | 0.5 |"


def test_one_class_has_no_column_of_its_own():
    result = run("a", 0, (0.8, 0.4))
    for case in result["cases"].values():
        for figures in case.values():
            del figures["lesion"]
    assert "organ" not in markdown(summary([result]), "la", "1h")
