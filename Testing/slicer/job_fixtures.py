"""Jobs and runners for the tests of processes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from forked_launch import launch
from patience import PATIENCE_S, wait_until

from coranet.contract import Case, Datalist, Job, JobKind, Label, Role
from coranet.contract.config import TrainConfig
from CoraNetSlicerLib.environment.interpreter import Interpreter
from CoraNetSlicerLib.jobs.runner import JobRunner
from CoraNetSlicerLib.logic import CoraNetLogic

FAKE_ENGINE = Path(__file__).with_name("fake_engine.py")


def a_training_job(folder: Path) -> Job:
    """A job directory whose images do not exist; the fake engine does not look."""
    case = Case("a", Role.TRAINING, "images/a.nrrd", "labels/a.nrrd")
    return Job.create(folder, JobKind.TRAIN, TrainConfig.from_preset("quick"), Datalist((case,), (Label(1, "Liver"),)))


def fake_runner(behaviour: str = "", **settings: str) -> JobRunner:
    """A runner of the fake engine, whose processes come at once."""
    return JobRunner(_interpreter(behaviour, settings), engine=FAKE_ENGINE, launch=launch)


def starting_runner(behaviour: str = "", **settings: str) -> JobRunner:
    """A runner that starts the fake engine as it would start the real one."""
    return JobRunner(_interpreter(behaviour, settings), engine=FAKE_ENGINE)


def _interpreter(behaviour: str, settings: dict[str, str]) -> Interpreter:
    interpreter = Interpreter.of_this_process()
    return Interpreter(interpreter.executable, {**interpreter.environment, "FAKE_ENGINE": behaviour, **settings})


class LogicOfFakeEngine(CoraNetLogic):
    """Keeps to the fake engine, whatever Python the panel chooses, and remembers the choice."""

    def useInterpreter(self, interpreter) -> None:  # noqa: N802
        self.interpreters = [*getattr(self, "interpreters", []), interpreter]


def until_its_jobs_end(logic: CoraNetLogic) -> Iterator[CoraNetLogic]:
    """A logic for a fixture, whose jobs are cancelled after the test."""
    yield logic
    for job in logic.runningJobs():
        job.cancel()
        job.wait(PATIENCE_S)
    logic.close()


def a_running_training(logic: CoraNetLogic, name: str = "long") -> Job:
    """A job on which the fake engine works until somebody stops it, and which has told of a step."""
    job = a_training_job(Path(logic.jobsFolder) / name)
    fake_runner(FAKE_STEPS="100000").start(job)
    wait_until(lambda: any(event.type == "progress" for event in job.read_events()))
    return job
