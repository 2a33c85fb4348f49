"""What is read from the job directories, and summed up by method."""

from __future__ import annotations

import csv
import json

import pytest
from experiment_jobs import context_of, fail, finish, question_of, scans_in

from coranet.contract import write_json_atomic
from coranet.contract.events import Cancelled, CheckpointSaved, Finished, Losses, Started, Warned
from coranet_experiments.plan import plan_runs
from coranet_experiments.results import by_method, read_results
from coranet_experiments.runner import Task, run_tasks
from coranet_experiments.tables import write_results, write_summary


def worked_through(runs) -> None:
    for jobs in ([run.training() for run in runs], [run.test() for run in runs]):
        run_tasks([Task("", job) for job in jobs], 1, context_of(finish, []))


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Supervised, CoraNet and fully supervised, two seeds, with two numbers of labeled cases."""
    folder = tmp_path_factory.mktemp("results")
    datalist = scans_in(folder / "scans")
    question = question_of(
        datalist, folder / "out", "supervised,coranet,fully_supervised", seeds=[0, 1], labeled=[3, None],
        truth=str(folder / "scans" / "truth"),
    )  # fmt: skip
    runs = plan_runs(question)
    worked_through(runs)
    return runs


@pytest.fixture(scope="module")
def methods(runs):
    return by_method(read_results(runs))


def test_a_training_is_read_from_its_events(runs):
    training = read_results(runs)[1].training
    assert (training.device, training.version, training.steps) == ("CPU (1 thread)", "0.1", 900)
    assert training.seconds == 100
    assert [step for step, _ in training.validation] == list(range(100, 901, 100))
    assert len(training.losses["total"]) == 90 and training.losses["certain"][0] == (10, 0.0)
    assert [snapshot.step for snapshot in training.snapshots] == list(range(100, 901, 100))
    assert training.warnings == ("no labeled case has 'Läsion', so it cannot be learned.",)


def test_a_resumed_training_counts_its_work_and_not_the_pause(tmp_path):
    (run,) = plan_runs(question_of(scans_in(tmp_path / "scans"), tmp_path / "out", "supervised"))
    writer = run.training().open_events()
    clock = iter([10.0, 20.0, 30.0, 1000.0, 1005.0, 1007.0, 1008.0, 5000.0, 5001.0, 5003.0])
    writer._clock = lambda: next(clock)
    lost = Losses(8, "pretraining", 9.0, 9.0)
    again = Losses(8, "pretraining", 1.0, 1.0)
    thin = Warned("no_unlabeled", "there is no unlabeled case.")
    for event in (Started(0, 10, "CPU", "1"), CheckpointSaved(5), lost):  # killed
        writer.write(event)
    for event in (thin, Started(5, 10, "CPU", "1"), again, Cancelled(8)):
        writer.write(event)
    for event in (thin, Started(8, 10, "CPU", "1"), Finished("", 7.0)):
        writer.write(event)
    writer.close()
    training = read_results([run])[0].training
    assert training.seconds == 20 + 8 + 3
    assert training.losses["total"] == ((8, 1.0),)


def test_runs_that_did_not_come_so_far_have_no_cases(tmp_path):
    ended, started, untouched = plan_runs(
        question_of(scans_in(tmp_path / "scans"), tmp_path / "out", "supervised,coranet,vat")
    )
    worked_through([ended])
    fail(started.training())
    results = read_results([ended, started, untouched])
    assert [len(result.cases) for result in results] == [4, 0, 0]
    assert [method.method for method in by_method(results)] == ["supervised"]


def test_a_figure_is_the_mean_over_cases_then_classes_then_seeds(runs, methods):
    coranet = next(method for method in methods if method.method == "coranet" and method.labeled is None)
    assert coranet.seeds == [0, 1]
    for result in coranet.runs:
        organ = [row["dice"]["organ"] for row in result.cases.values()]
        lesion = [row["dice"]["Läsion"] for row in result.cases.values() if row["dice"]["Läsion"] is not None]
        assert len(lesion) == 3 and len(organ) == 4
        assert result.figure() == pytest.approx((sum(organ) / 4 + sum(lesion) / 3) / 2)
    first, second = (result.figure() for result in coranet.runs)
    assert coranet.figure() == pytest.approx((first + second) / 2)
    assert coranet.figure_spread() == pytest.approx(abs(first - second) / 2**0.5)
    assert coranet.figure("flagged_share") == pytest.approx(0.03)
    assert coranet.figure("no such figure") is None
    assert coranet.class_figure("organ") > coranet.class_figure("Läsion")


def test_a_case_without_a_class_counts_with_the_others(methods):
    figures = methods[0].case_figures()
    assert figures["image010", 0] == methods[0].runs[0].cases["image010"]["dice"]["organ"]


def test_methods_are_compared_with_supervised_on_as_many_labels(methods):
    table = {(method.method, method.labeled): method for method in methods}
    assert table["supervised", 3].difference is None
    for labeled in (3, None):
        low, own, high = (table[name, labeled] for name in ("supervised", "coranet", "fully_supervised"))
        assert own.difference.mean == pytest.approx(0.06)
        assert own.closed == pytest.approx((own.figure() - low.figure()) / (high.figure() - low.figure()))
        assert (low.closed, high.closed) == (0, 1)


def test_without_supervised_there_is_no_difference(runs):
    only = [result for result in read_results(runs) if result.run.variant.name == "coranet"]
    assert all(method.difference is None and method.closed is None for method in by_method(only))


# -- tables --


def rows_of(path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_row_for_each_run_case_and_class(runs, tmp_path):
    write_results(tmp_path / "results.csv", read_results(runs))
    rows = rows_of(tmp_path / "results.csv")
    assert len(rows) == len(runs) * 4 * 2
    assert list(rows[0])[:7] == ["method", "labeled", "seed", "case", "class", "dice", "hd95_mm"]
    assert rows[1]["class"] == "Läsion" and float(rows[0]["hd95_mm"]) != float(rows[1]["hd95_mm"])
    assert rows[0]["flagged_share"] == rows[1]["flagged_share"] == "0.03"
    assert "" in [row["dice"] for row in rows if row["case"] == "image010"]
    assert {row["labeled"] for row in rows} == {"3", "all"}


def test_figures_inside_figures_are_columns_and_curves_are_not(runs, tmp_path):
    result = read_results(runs[:1])[0]
    cases = json.loads(json.dumps(dict(result.cases)))
    for row in cases.values():
        row["uncertainties"] = {"softmax": {"csi": 0.25, "coverage_curve": {"0.05": 0.5}}}
    write_json_atomic(result.run.test().metrics_path, {"schema_version": 1, "cases": cases, "mean": {}})
    write_results(tmp_path / "results.csv", read_results(runs[:1]))
    row = rows_of(tmp_path / "results.csv")[0]
    assert row["uncertainties.softmax.csi"] == "0.25"
    assert not any("curve" in name for name in row)


def test_the_summary_is_the_same_as_table_and_as_data(methods, tmp_path):
    write_summary(tmp_path / "summary.csv", tmp_path / "summary.json", methods)
    rows = rows_of(tmp_path / "summary.csv")
    data = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))
    assert [(row["method"], row["labeled"]) for row in rows[:4]] == [
        ("supervised", "3"), ("coranet", "3"), ("fully_supervised", "3"), ("supervised", "all"),
    ]  # fmt: skip
    assert float(rows[1]["mean_dice"]) == pytest.approx(data["methods"][1]["mean_dice"], abs=1e-6)
    assert data["methods"][1]["seeds"] == [0, 1]
    assert set(data["methods"][1]["dice_of_classes"]) == {"organ", "Läsion"}
    assert (rows[0]["difference"], rows[0]["training_seconds"], rows[0]["steps"]) == ("", "100.0", "900")


def test_an_experiment_without_results_leaves_empty_tables(tmp_path):
    write_results(tmp_path / "results.csv", [])
    write_summary(tmp_path / "summary.csv", tmp_path / "summary.json", [])
    assert rows_of(tmp_path / "results.csv") == []
    assert json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))["methods"] == []
