"""The table of a time, by hand."""

from __future__ import annotations

import argparse
from pathlib import Path

import budget
import pytest
from experiment_jobs import finish, question_of, scans_in

from coranet.contract import read_json, write_json_atomic
from coranet.contract.events import Noted
from coranet_experiments.plan import plan_runs
from coranet_experiments.results import by_method, read_results
from coranet_experiments.tables import write_summary


def row(name: str, method: str, dice: float | None, **changes) -> dict:
    return {
        "set": name, "method": method, "seeds": [0, 1], "dice": dice, "dice_sd": 0.01, "dice_of_classes": {},
        "hd95_mm": 3.25, "asked_s": 3600.0, "taken_s": 3500.0, "steps": 4000, "peak_mib": 1536, "plan": [], **changes,
    }  # fmt: skip


ROWS = [
    row("la", "supervised", 0.7), row("la", "coranet", 0.8, plan=["Works at 1.6 mm."]),
    row("la", "fully_supervised", 0.9), row("acdc", "supervised", 0.6), row("acdc", "coranet", 0.6),
    row("acdc", "fully_supervised", 0.8),
]  # fmt: skip


def test_the_verdict_over_all_sets():
    verdict = budget.verdict(ROWS)
    assert verdict["sets"] == 2 and verdict["above"] == {"supervised": 1, "fully_supervised": 0}
    assert verdict["mean_dice"] == pytest.approx({"supervised": 0.65, "coranet": 0.7, "fully_supervised": 0.85})
    assert verdict["distance_closed"] == pytest.approx(0.25)


def test_without_bounds_there_is_no_distance():
    verdict = budget.verdict([row("la", "coranet", None), row("la", "nnunet", 0.8)])
    assert verdict["distance_closed"] is None and verdict["above"] == {"nnunet": 0}


def test_tables_for_people():
    text = budget.markdown([*ROWS, row("acdc", "nnunet", 0.5, dice_sd=None, peak_mib=None)], "1h", "test")
    assert "| la | 0.700 ± 0.010 | 0.800 ± 0.010 | 0.900 ± 0.010 | - |" in text
    assert "| acdc | nnunet | 2 | 0.500 | 3.2 | 3,600 | 3,500 | 4,000 | - |" in text
    assert "CoraNet is above nnunet on 1 of 2 sets." in text and "It closes 25% of the distance" in text
    assert text.endswith("- la: Works at 1.6 mm.\n")


@pytest.fixture
def finished(tmp_path):
    """An experiment that is over, and its rows."""
    runs = plan_runs(question_of(scans_in(tmp_path / "scans"), tmp_path / "out", seeds=[0, 1]))
    for run in runs:
        training = run.training()
        events = training.open_events()
        events.write(Noted("memory_used", f"at most {1.5 + run.seed} GiB of main memory were used."))
        events.close()
        write_json_atomic(training.plan_path, {"sentences": ["Works at 1.6 mm."]})
        finish(training)
        finish(run.test())
    write_summary(tmp_path / "out" / "s.csv", tmp_path / "out" / "summary.json", by_method(read_results(runs)))
    return tmp_path / "out"


def test_a_row_of_an_experiment(finished):
    methods = read_json(finished / "summary.json")["methods"]
    rows = [budget._row("scans", finished, method, "20 min") for method in methods]
    assert [row["method"] for row in rows] == ["supervised", "coranet"]
    assert rows[1]["peak_mib"] == 2.5 * 1024 and rows[1]["plan"] == ["Works at 1.6 mm."]
    assert (rows[1]["asked_s"], rows[1]["seeds"]) == (1200, [0, 1])
    assert rows[1]["dice"] > rows[0]["dice"]


@pytest.mark.parametrize(
    ("methods", "part", "is_needed"),
    [("supervised,coranet", "test", False), ("fully_supervised", "test", True), ("coranet", "development", True)],
)
def test_the_truth_is_given_where_it_is_needed(methods, part, is_needed):
    args = argparse.Namespace(methods=methods, part=part)
    assert budget._truth(args, Path("/data/la/dataset.json")) == (
        ["--truth", Path("/data/la/unlabeled-truth")] if is_needed else []
    )
