"""The training's presenter with all that is around it, and jobs that it may find."""

from __future__ import annotations

import time

from job_fixtures import a_training_job
from patience import wait_until

from coranet.contract import Job, JobStatus
from CoraNetSlicerLib.core.notification import Signal
from CoraNetSlicerLib.core.parameters import Parameters
from CoraNetSlicerLib.data.presenter import CasesPresenter
from CoraNetSlicerLib.logic import CoraNetLogic
from CoraNetSlicerLib.train.presenter import TrainingPresenter


class Environment:
    """Says that the engine can run."""

    def __init__(self):
        self.changed = Signal()
        self.reason_not_ready = ""


class Application:
    """Does later what it is told to, when the test says so; remembers what was shown."""

    def __init__(self, scene):
        self.scene = scene
        self.waiting = []
        self.shown = []

    def later(self, action, milliseconds=0):
        self.waiting.append(action)

    def do(self):
        while self.waiting:
            self.waiting.pop(0)()

    def show_chart(self, chart, rises=False):
        self.shown.append(chart)

    def show_volume(self, volume):
        self.shown.append(volume)

    def show_sequence(self, browser):
        self.shown.append(browser)

    def slice_composite_nodes(self):
        composite = self.scene.GetFirstNodeByClass("vtkMRMLSliceCompositeNode")
        return [] if composite is None else [composite]


class Stage:
    """A presenter with all that is around it; a second one is the panel opened again."""

    def __init__(self, context, folder, runner):
        self.context = context
        self.application = Application(context.scene)
        self.environment = Environment()
        self.parameters = Parameters(context.scene)
        self.cases = CasesPresenter(context, self.parameters)
        self.logic = CoraNetLogic(context, runner, jobsFolder=folder)
        self.presenter = TrainingPresenter(
            self.logic, self.cases, self.environment, self.parameters, self.application
        )  # fmt: skip
        self.signals = []
        self.presenter.started.connect(lambda handle: self.signals.append("started"))
        self.presenter.ended.connect(lambda handle: self.signals.append("ended"))

    def poll_until_over(self):
        wait_until(lambda: self.presenter.handle.poll().is_over)

    def close(self):
        handle = self.presenter.handle
        if handle is not None and handle.status is JobStatus.RUNNING:
            handle.cancel()
        self.presenter.close()
        self.cases.close()


def a_job_of_events(folder, *events) -> Job:
    """A training, nobody's any more, that told these events."""
    job = a_training_job(folder)
    job.claim()
    # As if that process had ended.
    process = job.read_process()
    identity = {**process, "pid": 2**22 + 1, "started": time.time() - 5}
    (path,) = [path for path in folder.iterdir() if path.name.startswith("process")]
    path.write_text(str(identity).replace("'", '"'), encoding="utf-8")
    writer = job.open_events()
    for event in events:
        writer.write(event)
    writer.close()
    job.log_path.write_text("first line\nlast line\n", encoding="utf-8")
    return job
