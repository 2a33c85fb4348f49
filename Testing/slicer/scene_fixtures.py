"""Fixtures that the tests of the Slicer side and of the panel share; their conftest files import them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from scene_builders import LIVER_MASK, SHAPE_KJI, add_segmentation, add_volume, rotated_ijk_to_ras

from CoraNetSlicerLib.core.context import SceneContext
from CoraNetSlicerLib.core.parameters import Parameters
from CoraNetSlicerLib.core.results import nodes_of_class
from CoraNetSlicerLib.data.presenter import CasesPresenter


@pytest.fixture(scope="session")
def a_standalone_scene() -> SceneContext:
    """The scene of all tests, one after the other: to make one takes longer than most tests."""
    return SceneContext.standalone()


@pytest.fixture
def context(a_standalone_scene: SceneContext) -> Iterator[SceneContext]:
    """An empty scene with its logics, and with the colour tables that every scene has."""
    scene = a_standalone_scene.scene
    before = {node.GetID() for node in nodes_of_class(scene, "vtkMRMLNode")}
    yield a_standalone_scene
    scene.Clear(0)
    # Singletons survive that, as when a scene is closed in the application.
    for node in nodes_of_class(scene, "vtkMRMLNode"):
        if node.GetID() not in before:
            scene.RemoveNode(node)
    scene.SetURL("")
    scene.SetRootDirectory("")
    scene.SetSaveToXMLString(0)
    scene.SetLoadFromXMLString(0)


@pytest.fixture(scope="session", autouse=True)
def impatient() -> Iterator[None]:
    """Who waits for a job looks often: most jobs of tests end in a tenth of a second."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("CoraNetSlicerLib.jobs.handle._POLL_INTERVAL_S", 0.02)
        yield


@pytest.fixture
def cases(context: SceneContext) -> Iterator[CasesPresenter]:
    """The presenter of the cases; there are none yet."""
    presenter = CasesPresenter(context, Parameters(context.scene))
    yield presenter
    presenter.close()


@pytest.fixture
def make_labeled_case(context):
    """Makes further labeled cases: `make_labeled_case(name, {"Liver": mask, ...})`."""

    def make(name: str, segments: dict[str, np.ndarray], seed: int = 0):
        array = np.random.default_rng(seed).normal(100, 20, SHAPE_KJI).astype(np.float32)
        volume = add_volume(context, name, array, rotated_ijk_to_ras())
        return volume, add_segmentation(context, f"{name} truth", volume, segments)

    return make


@pytest.fixture
def some_cases(context, make_labeled_case):
    """Three labeled volumes and an unlabeled one in the scene."""
    for number in range(3):
        make_labeled_case(f"patient {number}", {"Liver": LIVER_MASK}, number)
    noise = np.random.default_rng(9).normal(100, 20, SHAPE_KJI).astype(np.float32)
    return add_volume(context, "patient 9", noise, rotated_ijk_to_ras())
