"""Fixtures that the tests of the Slicer side and of the panel share; their conftest files import them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from CoraNetSlicerLib.core.context import SceneContext
from CoraNetSlicerLib.core.parameters import Parameters
from CoraNetSlicerLib.data.presenter import CasesPresenter


@pytest.fixture
def context() -> SceneContext:
    """An empty scene with its logics."""
    return SceneContext.standalone()


@pytest.fixture
def cases(context: SceneContext) -> Iterator[CasesPresenter]:
    """The presenter of the cases; there are none yet."""
    presenter = CasesPresenter(context, Parameters(context.scene))
    yield presenter
    presenter.close()
