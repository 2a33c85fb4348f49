"""A review in the panel: a window with keys, the sections, and a result with uncertain regions."""

from __future__ import annotations

import pytest
from reviewable import Window, a_reviewable_job

from CoraNetSlicerLib.core.console_calls import CallLog
from CoraNetSlicerLib.core.parameters import Parameters
from CoraNetSlicerLib.logic import CoraNetLogic
from CoraNetSlicerLib.review.overlays_presenter import OverlaysPresenter
from CoraNetSlicerLib.review.overlays_section import OverlaysSection
from CoraNetSlicerLib.review.presenter import ReviewPresenter
from CoraNetSlicerLib.review.section import ReviewSection


@pytest.fixture
def filled_pages():
    return frozenset({"reviewPage"})


@pytest.fixture
def logic(context, tmp_path):
    logic = CoraNetLogic(context, jobsFolder=tmp_path / "jobs")
    yield logic
    logic.close()


@pytest.fixture
def window(form, application):
    window = Window(form)
    application.window, application.user = window.proxy, "Ada"
    yield window
    window.real.hide()


@pytest.fixture
def calls():
    return CallLog()


@pytest.fixture
def overlays(ui, context, application):
    context.scene.AddNewNodeByClass("vtkMRMLSliceNode", "Red").SetDimensions(300, 200, 1)
    context.scene.AddNewNodeByClass("vtkMRMLCameraNode", "Camera")
    presenter = OverlaysPresenter(context, Parameters(context.scene), application)
    section = OverlaysSection(ui, presenter, application)
    yield presenter
    section.cleanup()
    presenter.close()


@pytest.fixture
def presenter(ui, logic, overlays, calls, application, window):
    presenter = ReviewPresenter(logic, overlays, calls, application)
    presenter.section = ReviewSection(ui, presenter, application)
    presenter.section.set_active(True)
    yield presenter
    presenter.section.cleanup()
    presenter.close()


@pytest.fixture
def load(logic, overlays, presenter, process_events, tmp_path):
    def load(name="segment 1", wait=True, **changes):
        job = a_reviewable_job(tmp_path / "jobs" / name, **changes)
        (loaded,) = logic.loadResults(job.folder, show=False)
        overlays.show(loaded)
        if wait:
            overlays.choose(str(loaded.segmentation.GetID()))
            process_events(until=lambda: not presenter.reason_not_decidable and not overlays.reason_not_copyable)
            process_events(until=lambda: overlays.caution.region is not None)
        return loaded

    return load


@pytest.fixture
def loaded(load):
    return load()
