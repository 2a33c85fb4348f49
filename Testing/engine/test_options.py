"""No option is taken and not used: each one changes what is done, or is refused. The table has all that there are."""

from __future__ import annotations

import argparse
import inspect
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from small_jobs import call, settings, the_only_error

from coranet.command_line import cli
from coranet.contract import Job
from coranet.contract.config import SegmentConfig, TrainConfig, require_effect
from coranet.contract.errors import ConfigError
from coranet.job_process import launch
from coranet.reports.reported_case import ReportedCases
from coranet.setup import doctor, installation
from coranet_experiments import command as experiments


class Scene:
    """What a command is given, and what it would do with it."""

    def __init__(self, top: Path, phantoms: Path, model: Path) -> None:
        self.top, self.phantoms, self.model = top, phantoms, model
        self.done: list[Any] = []

    @property
    def image(self) -> Path:
        return self.phantoms.parent / "images" / "case001.nrrd"

    def other_datalist(self) -> Path:
        content = json.loads(self.phantoms.read_text(encoding="utf-8"))
        for key in ("training", "unlabeled", "validation", "test"):
            content[key] = [
                {name: str(self.phantoms.parent / path) for name, path in row.items()} for row in content[key]
            ]
        content["unlabeled"] = content["unlabeled"][1:]
        content["test"], content["validation"] = [*content["test"], *content["validation"]], []
        path = self.top / "other.json"
        path.write_text(json.dumps(content), encoding="utf-8")
        return path


def seen(job: Job) -> Any:
    cases = [(case.images, case.role.value, case.label) for case in job.read_datalist().cases]
    return job.folder.name, job.kind, job.read_config().to_dict(), cases


@pytest.fixture
def scene(tmp_path, a_phantom_set, a_trained_job, monkeypatch) -> Scene:
    made = Scene(tmp_path, a_phantom_set, a_trained_job.folder)
    note = made.done.append

    @contextmanager
    def claimed(work) -> Iterator[None]:
        note((seen(work.job), work.resume, work.devices, work.dry_run, list(work.prepare())))
        yield

    monkeypatch.setattr(cli, "_claimed", claimed)
    monkeypatch.setattr(launch, "worker_for", lambda *arguments: lambda *more: 0)
    monkeypatch.setattr(cli.sys.stderr, "isatty", lambda: False, raising=False)
    monkeypatch.setattr("coranet.training.dry_run.planned", lambda config, datalist: [str(config)] + [str(datalist)])
    monkeypatch.setattr("coranet.phantoms.write_phantom_set", lambda folder, phantoms: note((folder, phantoms)))
    monkeypatch.setattr(experiments, "_work", lambda runs, jobs, around: note((repr(runs), jobs)) or [])
    monkeypatch.setattr(experiments, "_write", lambda runs, question, args: note(args))
    monkeypatch.setattr(installation, "install", lambda installation: note(installation))
    monkeypatch.setattr(doctor, "examine", lambda: doctor.Health({"a": 1}, []))
    monkeypatch.setattr("coranet.regions.files.find_predictions", lambda folder: [Path(folder)])
    monkeypatch.setattr("coranet.regions.files.make_regions", lambda files, *more: note((files, *more)) or stop())
    monkeypatch.setattr(
        "coranet.reports.reported_case.reported_cases",
        lambda found, expected: note((found, expected)) or ReportedCases((), {}),
    )
    monkeypatch.setattr("coranet.reports.table.write_table", lambda path, cases: note(path))
    monkeypatch.setattr("coranet.reports.report.write_page", lambda path, cases, folder: note((path, folder)))
    return made


def stop() -> None:
    raise ConfigError("far enough.")


def train(scene: Scene) -> list[Any]:
    return ["train", scene.phantoms, "--output", scene.top / "job", *settings()]


def segment(scene: Scene) -> list[Any]:
    return ["segment", scene.image, "--model", scene.model, "--output", scene.top / "results"]


def evaluate(scene: Scene) -> list[Any]:
    return ["evaluate", scene.phantoms, "--model", scene.model, "--output", scene.top / "scores"]


def experiment(scene: Scene) -> list[Any]:
    return [
        "experiment",
        scene.phantoms,
        "--methods",
        "supervised,coranet",
        "--output",
        scene.top / "trials",
        *settings(),
    ]


def install(scene: Scene) -> list[Any]:
    return ["install", "torch"]


def other_job(scene: Scene) -> list[Any]:
    """A job that `run` can be given, beside the trained one."""
    call(*segment(scene))
    return ["run", scene.top / "results"]


def plain(*args: Any) -> Callable[[Scene], list[Any]]:
    return lambda scene: list(args)


def swap(line: list[Any], before: Any, after: Any) -> list[Any]:
    return [after if word == before else word for word in line]


def of(line: Callable[[Scene], list[Any]], *more: Any) -> Callable[[Scene], list[Any]]:
    """A line with words added."""
    return lambda scene: [*line(scene), *more]


def instead(line: Callable[[Scene], list[Any]], before: Callable[[Scene], Any], after: Callable[[Scene], Any]):
    """A line with one word exchanged."""
    return lambda scene: swap(line(scene), before(scene), after(scene))


def resumed(line: Callable[[Scene], list[Any]], *more: Any) -> Callable[[Scene], list[Any]]:
    """A line whose job is there."""

    def words(scene: Scene) -> list[Any]:
        call(*line(scene))
        scene.done.clear()
        return [*line(scene), *more]

    return words


# Command and option -> a line without it, and one with it.
TABLE: dict[str, tuple[Callable[[Scene], list[Any]], Callable[[Scene], list[Any]]]] = {
    "train datalist": (train, instead(train, lambda s: s.phantoms, Scene.other_datalist)),
    "train --output": (train, instead(train, lambda s: s.top / "job", lambda s: s.top / "job 2")),
    "train --time": (plain_train := lambda s: train(s)[:4], of(plain_train, "--time", "2h")),
    "train --fast": (train, of(train, "--fast")),
    "train --dry-run": (train, of(train, "--dry-run")),
    "train --preset": (plain_train, of(plain_train, "--preset", "quick")),
    "train --set": (train, of(train, "--set", "seed=5")),
    "train --resume": (resumed(train), resumed(train, "--resume")),
    "train --devices": (train, of(train, "--devices", "2")),
    "segment inputs": (segment, instead(segment, lambda s: s.image, lambda s: s.image.with_name("case002.nrrd"))),
    "segment --caution": (segment, of(segment, "--caution", "0.5")),
    "segment --fast": (segment, of(segment, "--fast")),
    "segment --model": (segment, instead(segment, lambda s: s.model, lambda s: s.top / "absent")),
    "segment --output": (segment, instead(segment, lambda s: s.top / "results", lambda s: s.top / "results 2")),
    "segment --set": (segment, of(segment, "--set", "surfaces=true")),
    "segment --resume": (segment, of(segment, "--resume")),
    "segment --devices": (segment, of(segment, "--devices", "2")),
    "evaluate datalist": (evaluate, instead(evaluate, lambda s: s.phantoms, Scene.other_datalist)),
    "evaluate --compare-uncertainties": (evaluate, of(evaluate, "--compare-uncertainties")),
    "evaluate --caution": (evaluate, of(evaluate, "--caution", "0.5")),
    "evaluate --fast": (evaluate, of(evaluate, "--fast")),
    "evaluate --model": (evaluate, instead(evaluate, lambda s: s.model, lambda s: s.top / "absent")),
    "evaluate --output": (evaluate, instead(evaluate, lambda s: s.top / "scores", lambda s: s.top / "scores 2")),
    "evaluate --set": (evaluate, of(evaluate, "--set", "regions=false")),
    "evaluate --resume": (resumed(evaluate), resumed(evaluate, "--resume")),
    "evaluate --devices": (evaluate, of(evaluate, "--devices", "all")),
    "experiment datalist": (experiment, instead(experiment, lambda s: s.phantoms, Scene.other_datalist)),
    "experiment --methods": (experiment, instead(experiment, lambda s: "supervised,coranet", lambda s: "coranet")),
    "experiment --seeds": (experiment, of(experiment, "--seeds", "1,2")),
    "experiment --output": (experiment, instead(experiment, lambda s: s.top / "trials", lambda s: s.top / "more")),
    "experiment --jobs": (experiment, of(experiment, "--jobs", "2")),
    "experiment --preset": (lambda s: experiment(s)[:6], of(lambda s: experiment(s)[:6], "--preset", "quick")),
    "experiment --time": (lambda s: experiment(s)[:6], of(lambda s: experiment(s)[:6], "--time", "2h")),
    "experiment --set": (experiment, of(experiment, "--set", "inference.overlap=0.3")),
    "experiment --labeled": (experiment, of(experiment, "--labeled", "1")),
    "experiment --truth": (experiment, of(experiment, "--truth", "labels")),
    "experiment --part": (experiment, of(experiment, "--part", "development")),
    "experiment --compare-uncertainties": (experiment, of(experiment, "--compare-uncertainties")),
    "regions prediction": (plain("regions", "a"), plain("regions", "b")),
    "regions --caution": (plain("regions", "a"), plain("regions", "a", "--caution", "0.5")),
    "regions --smallest-ml": (plain("regions", "a"), plain("regions", "a", "--smallest-ml", "0.5")),
    "report folder": (plain("report", "a"), plain("report", "b")),
    "report --output": (plain("report", "a"), plain("report", "a", "--output", "b")),
    "report --regions": (plain("report", "a"), plain("report", "a", "--regions", "1")),
    "report --cases": (plain("report", "a"), plain("report", "a", "--cases", "1")),
    "doctor --json": (plain("doctor"), plain("doctor", "--json")),
    "install packages": (install, of(install, "monai")),
    "install --environment": (plain("install"), plain("install", "--environment", "own")),
    "install --python": (install, of(install, "--python", "/p/python")),
    "install --anew": (install, of(install, "--anew")),
    "install --wheels": (install, of(install, "--wheels", "wheels")),
    "phantom folder": (plain("phantom", "a"), plain("phantom", "b")),
    "phantom --labeled": (plain("phantom", "a"), plain("phantom", "a", "--labeled", "1")),
    "phantom --unlabeled": (plain("phantom", "a"), plain("phantom", "a", "--unlabeled", "1")),
    "phantom --validation": (plain("phantom", "a"), plain("phantom", "a", "--validation", "2")),
    "phantom --test": (plain("phantom", "a"), plain("phantom", "a", "--test", "1")),
    "phantom --seed": (plain("phantom", "a"), plain("phantom", "a", "--seed", "1")),
    "run job": (other_job, instead(other_job, lambda s: s.top / "results", lambda s: s.model)),
    "run --resume": (other_job, of(other_job, "--resume")),
    "run --dry-run": (other_job, of(other_job, "--dry-run")),
    "run --devices": (other_job, of(other_job, "--devices", "2")),
}


def all_options() -> Iterator[str]:
    """Each option of each command, as the parser has it."""
    (commands,) = (action for action in cli._parser()._actions if isinstance(action, argparse._SubParsersAction))
    for command, parser in commands.choices.items():
        for option in parser._actions:
            if not isinstance(option, argparse._HelpAction):
                yield f"{command} {option.option_strings[-1] if option.option_strings else option.dest}"


def test_the_table_has_all_options_that_there_are():
    assert sorted(all_options()) == sorted(TABLE)


@pytest.mark.parametrize("option", TABLE)
def test_an_option_changes_what_is_done_or_is_refused(scene, capsys, monkeypatch, option):
    def outcome(line: Callable[[Scene], list[Any]]) -> Any:
        args = line(scene)
        scene.done.clear()
        code = call(*args)
        output = capsys.readouterr()
        return code, repr(scene.done), output.out, output.err if code else ""

    without, with_it = TABLE[option]
    before = outcome(without)
    if "--resume" not in option:
        for folder in ("job", "results", "scores"):
            if (scene.top / folder / "job.json").exists():
                (scene.top / folder).rename(scene.top / f"{folder} of before")
    assert outcome(with_it) != before


# -- options that contradict each other, or have no effect --

VOID = [
    (("train", "--time", "1h", "--set", "time=2h"), "--time and --set time mean the same"),
    (("train", "--time", "1h", "--set", "training.pretraining_steps=5"), "both set how long"),
    (("train", "--devices", "2", "--set", "machine.devices=3"), "--devices and --set machine.devices"),
    (("train", "--set", "seed=1", "--set", "seed=2"), "--set gives 'seed' twice"),
    (("train", "--set", "model=x"), "give the model with --model"),
    (("train", "--fast", "--set", "training.error_model=on"), "--fast and --set training.error_model"),
    (("train", "--fast", "--set", "training.quality_reference=on"), "--fast and --set training.quality_reference"),
    (("train", "--set", "inference.caution=1"), "'inference.caution' has no effect in a training"),
    (
        ("train", "--set", "training.error_model=off", "--set", "training.error_model_share=0.1"),
        "'training.error_model_share' has no effect",
    ),
    (("train", "--set", "training.refresh_steps=5"), "'training.refresh_steps' has no effect"),
    (
        ("train", "--set", "training.mixing=none", "--set", "training.mixing_share=0.5"),
        "'training.mixing_share' has no effect",
    ),
    (("train", "--set", "training.initial_model=x", "--set", "network.levels=3"), "'network.levels' has no effect"),
    (("train", "--set", "training.initial_model=x", "--set", "data.patch_voxels=9999"), "'data.patch_voxels' has no"),
    (("train", "--set", "training.initial_model=x", "--set", "data.spacing_mm=[1,1,1]"), "'data.spacing_mm' has no"),
    (("train", "--set", "plan_of=x", "--time", "1h"), "'time' has no effect"),
    (("train", "--set", "plan_of=x", "--set", "training.self_training_steps=9"), "self_training_steps' has no effect"),
    (("train", "--set", "data.intensity=zscore", "--set", "data.intensity_window=[0,9]"), "intensity_window' has no"),
    (
        ("train", "--set", "data.patch_size_kji=[8,8,8]", "--set", "data.patch_voxels=9999"),
        "'data.patch_voxels' has no",
    ),
    (
        ("train", "--set", "training.snapshot_interval=0", "--set", "training.snapshot_case=a"),
        "'training.snapshot_case' has no effect",
    ),
    (("train", "--set", "data.coarse_stage=off", "--set", "data.coarse_margin_mm=5"), "coarse_margin_mm' has no"),
    (("train", "--set", "data.validation_cases=1"), "names validation cases"),
    (("segment", "--fast", "--set", "inference.doubt=auto"), "--fast and --set inference.doubt"),
    (("segment", "--fast", "--set", "quality=true"), "--fast and --set quality"),
    (("segment", "--set", "model=x"), "give the model with --model"),
    (("segment", "--caution", "1", "--set", "inference.caution=2"), "--caution and --set inference.caution"),
    (("evaluate", "--compare-uncertainties", "--set", "compare_uncertainties=false"), "mean the same"),
    (("experiment", "--time", "1h", "--set", "time=2h"), "mean the same"),
    (("experiment", "--truth", "labels"), "--truth has no effect"),
    (("install", "--anew"), "--anew and --python need PACKAGE"),
    (("install", "--python", "/p"), "--anew and --python need PACKAGE"),
    (("install", "monai", "--environment", "own"), "leave out --python and PACKAGE"),
]


@pytest.mark.parametrize(
    ("args", "message"), VOID, ids=lambda value: " ".join(value) if isinstance(value, tuple) else ""
)
def test_options_that_make_others_void_are_refused(scene, capsys, args, message):
    command, *more = args
    begin = {
        "train": lambda: train(scene)[:4], "segment": lambda: segment(scene), "evaluate": lambda: evaluate(scene),
        "experiment": lambda: experiment(scene)[:6], "install": lambda: ["install"],
    }[command]()  # fmt: skip
    assert call(*begin, *more) == 2
    assert message in the_only_error(capsys) and not scene.done


@pytest.mark.parametrize("args", [("--labeled", "-1"), ("--seed", "x"), ("--test", "1.5")])
def test_a_number_of_phantoms_that_is_none_is_answered_with_the_usage(capsys, args):
    with pytest.raises(SystemExit):
        cli.main(["phantom", "a", *args])
    assert "expected a whole number of at least 0" in capsys.readouterr().err


def test_what_a_preset_sets_may_be_void():
    config = TrainConfig.from_preset("quick", {"training.initial_model": "x"})
    require_effect(config, ["training.initial_model", "seed"])


# -- settings and arguments --


def test_every_argument_of_the_console_is_described():
    from CoraNetSlicerLib.logic import CoraNetLogic

    for name, function in inspect.getmembers(CoraNetLogic, inspect.isfunction):
        if name.startswith("_") or not function.__doc__ or "Args:" not in function.__doc__:
            continue
        for argument in inspect.signature(function).parameters:
            assert argument == "self" or f"{argument}:" in function.__doc__, f"{name}({argument})"


@pytest.mark.parametrize("named", [{"model": "elsewhere"}, SegmentConfig(model="elsewhere")])
def test_a_model_that_is_named_twice_is_refused(a_trained_job, named):
    from CoraNetSlicerLib.jobs.arguments import segment_config

    with pytest.raises(ConfigError, match="name one of them"):
        segment_config(a_trained_job.folder, named)
    config = segment_config(a_trained_job.folder, replace(SegmentConfig(), regions=False))
    assert config.model == str(a_trained_job.folder) and not config.regions
