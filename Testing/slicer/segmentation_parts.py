"""What the tests of segmenting in the panel share: models on disk, a logic with the fake engine, an environment."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from forked_launch import launch
from queued_application import QueuedApplication

from coranet.contract import Case, Datalist, Job, JobKind, Label, Role
from coranet.contract.config import TrainConfig
from CoraNetSlicerLib.core.notification import Signal
from CoraNetSlicerLib.environment.interpreter import Interpreter
from CoraNetSlicerLib.jobs.runner import JobRunner
from CoraNetSlicerLib.logic import CoraNetLogic

FAKE_ENGINE = Path(__file__).with_name("fake_segmenting_engine.py")
CARD = {
    "validation_dice": {"Liver": 0.875, "Tumor": 0.625},
    "trained_on": {"training": 4, "unlabeled": 20, "validation": 1},
    "steps": 1000,
    "method": "coranet",
    "preset": "default",
    "created": 1.7e9,
}


class SettingsApplication(QueuedApplication):
    """Remembers settings of the machine, too."""

    def __init__(self, scene: Any) -> None:
        super().__init__(scene)
        self.settings: dict[str, str] = {}

    def setting(self, name: str, default: str = "") -> str:
        return self.settings.get(name, default)

    def set_setting(self, name: str, value: str) -> None:
        self.settings[name] = value


class ReadyEnvironment:
    """An environment that is well, unless `reason_not_ready` says otherwise."""

    def __init__(self) -> None:
        self.changed = Signal()
        self.reason_not_ready = ""


LABELS = ({"value": 1, "name": "Liver"}, {"value": 2, "name": "Tumor"})


def write_model(folder: Path, labels: Any = LABELS, **card: Any) -> Path:
    """The card of a model; its weights are missing, nobody here looks."""
    content = {
        "schema_version": 1,
        "engine_version": "0.1.0",
        "architecture": {},
        "preprocessing": {"spacing_mm": [0.8, 0.8, 2.5]},
        "labels": list(labels),
        "card": {**CARD, **card},
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


def a_training(folder: Path, finished: bool = True, **card: Any) -> Job:
    """A training, with its model if it is finished."""
    case = Case("a", Role.TRAINING, "images/a.nrrd", "labels/a.nrrd")
    job = Job.create(folder, JobKind.TRAIN, TrainConfig(), Datalist((case,), (Label(1, "Liver"),)))
    if finished:
        write_model(job.model_folder, **card)
    return job


def a_logic(context: Any, jobs_folder: Path, make_ticker: Any = None, **settings: str) -> CoraNetLogic:
    """A logic whose jobs are done by the fake engine."""
    return CoraNetLogic(context, runner=a_runner(**settings), jobsFolder=jobs_folder, makeTicker=make_ticker)


def a_runner(**settings: str) -> JobRunner:
    """A runner of the fake engine; its settings are variables of the environment."""
    own = Interpreter.of_this_process()
    interpreter = Interpreter(own.executable, {**own.environment, **settings})
    return JobRunner(interpreter, engine=FAKE_ENGINE, launch=launch)
