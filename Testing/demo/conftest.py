"""The demo's files are programs that import each other by name; so do their tests."""

from __future__ import annotations

import pytest
from shown_results import load_case

from CoraNetSlicerLib.core.context import SceneContext


@pytest.fixture
def context() -> SceneContext:
    """An empty scene with its logics."""
    return SceneContext.standalone()


@pytest.fixture
def loaded(context, tmp_path):
    """A synthetic prediction with known voxels, loaded and shown."""
    return load_case(context, tmp_path / "job", surfaces=True)
