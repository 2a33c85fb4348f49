"""A presenter of the overlays with a result, and two slice views."""

from __future__ import annotations

import pytest
from queued_application import QueuedApplication
from shown_results import load_case

from CoraNetSlicerLib.core.parameters import Parameters
from CoraNetSlicerLib.review.overlays_presenter import OverlaysPresenter


@pytest.fixture
def application(context):
    return QueuedApplication(context.scene)


@pytest.fixture
def views(context):
    """Two slice views."""
    return [context.scene.AddNewNodeByClass("vtkMRMLSliceCompositeNode", name) for name in ("Red", "Green")]


@pytest.fixture
def presenter(context, application, views):
    presenter = OverlaysPresenter(context, Parameters(context.scene), application)
    yield presenter
    presenter.close()


@pytest.fixture
def loaded(context, tmp_path, presenter, application):
    """A result that was just shown, without surfaces."""
    loaded = load_case(context, tmp_path / "a" / "segment 1")
    presenter.show(loaded)
    application.run()
    return loaded


@pytest.fixture
def row(presenter):
    """The row of a kind, as it is now."""
    return lambda kind: next(row for row in presenter.rows if row.kind == kind)
