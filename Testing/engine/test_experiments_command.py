"""`coranet experiment` from its words to its files, with processes that are played; a real one at the end."""

from __future__ import annotations

import csv
import json

import pytest
from experiment_jobs import fail, finish, scans_in
from small_jobs import call, run_engine, settings, the_only_error, tiny_phantoms

from coranet.contract import Job, JobKind, JobStatus
from coranet.contract.errors import JobCancelled
from coranet.job_process import child_process
from coranet_experiments import runner


@pytest.fixture(scope="module")
def datalist(tmp_path_factory):
    return scans_in(tmp_path_factory.mktemp("command") / "scans ü")


@pytest.fixture
def play(monkeypatch):
    """Exchanges the start of processes: `play(finish)`."""

    def exchange(start):
        monkeypatch.setattr(child_process, "start_on_job", start)
        monkeypatch.setattr(runner, "POLL_INTERVAL_S", 0)

    return exchange


def experiment(datalist, folder, *args) -> int:
    preset = [] if "--preset" in args else ["--preset", "quick"]
    return call("experiment", datalist, "--methods", "supervised,coranet", *preset, "--output", folder, *args)


def test_tables_and_report_are_written(datalist, awkward_path, play, capsys):
    play(finish)
    assert experiment(datalist, awkward_path / "out", "--seeds", "0,1") == 0
    folder = awkward_path / "out"
    assert {path.name for path in folder.iterdir()} == {
        "runs", "results.csv", "summary.csv", "summary.json", "report.html",
    }  # fmt: skip
    with open(folder / "summary.csv", encoding="utf-8", newline="") as file:
        assert [row["method"] for row in csv.DictReader(file)] == ["supervised", "coranet"]
    assert len(json.loads((folder / "summary.json").read_text(encoding="utf-8"))["methods"]) == 2
    assert str(folder / "report.html") in capsys.readouterr().err


def test_all_are_trained_before_one_is_tested(datalist, tmp_path, play):
    order = []

    def start(job, resume):
        order.append(job.kind)
        return finish(job)

    play(start)
    experiment(datalist, tmp_path / "out", "--seeds", "0,1", "--jobs", "3")
    assert order == [JobKind.TRAIN] * 4 + [JobKind.SEGMENT] * 4


def test_the_same_command_goes_on_where_it_ended(datalist, tmp_path, play, capsys):
    play(lambda job, resume: fail(job) if "supervised-seed0" in str(job.folder) else finish(job))
    assert experiment(datalist, tmp_path / "out") == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1] == "error: 1 of 2 runs failed; training supervised, seed 0: the disk is full."
    started = []

    def start(job, resume):
        started.append((job.folder.parent.name, job.folder.name, resume))
        return finish(job)

    play(start)
    assert experiment(datalist, tmp_path / "out") == 0
    assert started == [("supervised-seed0", "train", True), ("supervised-seed0", "test", False)]


@pytest.mark.slow
def test_more_methods_and_seeds_may_join_later(datalist, tmp_path, play):
    play(finish)
    experiment(datalist, tmp_path / "out")
    started = []
    play(lambda job, resume: (started.append(job.folder.parent.name), finish(job))[1])
    assert experiment(datalist, tmp_path / "out", "--seeds", "0,1", "--jobs", "2") == 0
    assert set(started) == {"supervised-seed1", "coranet-seed1"}


def test_ctrl_c_leaves_a_sentence_and_its_exit_code(datalist, tmp_path, monkeypatch, capsys):
    def interrupted(*_):
        raise JobCancelled("interrupted; run the same command again to continue.")

    monkeypatch.setattr(runner, "run_tasks", interrupted)
    assert experiment(datalist, tmp_path / "out") == 130
    assert capsys.readouterr().err == "interrupted; run the same command again to continue.\n"


@pytest.mark.slow
def test_several_at_once_share_the_processor(datalist, tmp_path, play, monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 12)
    play(finish)
    for jobs, threads, name in (("1", 0, "one"), ("5", 2, "five"), ("40", 1, "forty")):
        experiment(datalist, tmp_path / name, "--jobs", jobs)
        for kind in ("train", "test"):
            job = Job.open(tmp_path / name / "runs" / "coranet-seed0" / kind)
            assert job.read_config().machine.threads == threads
    experiment(datalist, tmp_path / "own", "--jobs", "5", "--set", "machine.threads=3")
    assert Job.open(tmp_path / "own" / "runs" / "coranet-seed0" / "train").read_config().machine.threads == 3


def test_words_become_settings_of_the_jobs(datalist, tmp_path, play):
    play(finish)
    args = (
        "--set",
        "inference.overlap=0.25",
        "--set",
        "inference.caution=1.5",
        "--compare-uncertainties",
        "--labeled",
        "2",
    )
    assert experiment(datalist, tmp_path / "out", *args) == 0
    folder = tmp_path / "out" / "runs" / "coranet-labeled2-seed0"
    test = Job.open(folder / "test").read_config()
    assert (test.inference.overlap, test.inference.caution, test.compare_uncertainties) == (0.25, 1.5, True)
    assert test.model == str(folder / "train")
    report = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "--set inference.overlap=0.25 --set inference.caution=1.5 --compare-uncertainties" in report


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (("--jobs", "0"), 2, "--jobs expects"),
        (("--seeds", "0,x"), 2, "--seeds expects whole numbers"),
        (("--seeds", "1,1"), 2, "--seeds expects different values"),
        (("--labeled", " "), 2, "--labeled expects"),
        (("--labeled", "99"), 3, "1 to 5 can be kept, not 99"),
        (("--set", "training"), 2, "key=value"),
        (("--set", "seed=3"), 2, "--seeds"),
        (("--preset", "nothing"), 2, "no preset 'nothing'"),
    ],
)
def test_words_that_cannot_be_used(datalist, tmp_path, capsys, args, code, message):
    assert experiment(datalist, tmp_path / "out", *args) == code
    assert message in the_only_error(capsys)
    assert not (tmp_path / "out" / "runs").exists()


def test_without_methods_there_is_nothing_to_do(datalist, tmp_path, capsys):
    assert call("experiment", datalist, "--methods", " ", "--output", tmp_path / "out") == 2
    assert "names no method" in the_only_error(capsys)


def test_what_cannot_be_resumed_is_said_before_anything_runs(datalist, tmp_path, play, capsys):
    play(finish)
    experiment(datalist, tmp_path / "out")
    play(lambda job, resume: pytest.fail("nothing may be started"))
    capsys.readouterr()
    assert experiment(datalist, tmp_path / "out", "--compare-uncertainties", "--seeds", "7,0") == 2
    assert "made with other settings" in the_only_error(capsys)


@pytest.mark.slow
def test_a_real_experiment(tmp_path):
    datalist = tiny_phantoms(tmp_path / "scans ü", labeled=2, unlabeled=2, validation=1, test=2)
    args = settings(training__snapshot_interval="5")
    args += ["--methods", "supervised,coranet", "--labeled", "1,all", "--jobs", "2", "--output", tmp_path / "out"]
    answer = run_engine("experiment", datalist, *args, "--compare-uncertainties", seconds=600)
    assert answer.returncode == 0, answer.stderr
    runs = sorted((tmp_path / "out" / "runs").iterdir())
    assert [run.name for run in runs] == [
        "coranet-labeled1-seed0", "coranet-seed0", "supervised-labeled1-seed0", "supervised-seed0",
    ]  # fmt: skip
    assert all(Job.open(run / kind).status() is JobStatus.FINISHED for run in runs for kind in ("train", "test"))
    assert any((tmp_path / "out" / "cache").iterdir()), "the runs share their prepared scans"
    with open(tmp_path / "out" / "results.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 4 * 2 * 2
    assert {"dice", "jaccard", "hd95_mm", "csi", "error_coverage", "uncertainties.softmax.csi"} <= set(rows[0])
    report = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "Other uncertainties of coranet" in report and "data:image/png;base64," in report
