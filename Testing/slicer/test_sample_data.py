"""The phantom as sample data: made by the engine in another process, loaded as train takes it."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from scene_builders import array_of, numpy_matrix

from coranet.contract.errors import DataError
from CoraNetSlicerLib.core.context import SceneContext
from CoraNetSlicerLib.data.sample_data import load_phantom
from CoraNetSlicerLib.environment.interpreter import Interpreter
from CoraNetSlicerLib.logic import CoraNetLogic


@pytest.fixture(scope="module")
def loaded():
    """A scene with two labeled and one unlabeled phantom, and what `loadPhantom` gave."""
    context = SceneContext.standalone()
    return context, CoraNetLogic(context).loadPhantom(labeled=2, unlabeled=1)


@pytest.mark.slow
def test_it_is_what_a_training_takes(loaded):
    _, (labeled, unlabeled) = loaded
    assert [(volume.GetName(), truth.GetName()) for volume, truth in labeled] == [
        ("Phantom 01", "Phantom 01 truth"),
        ("Phantom 02", "Phantom 02 truth"),
    ]
    assert [volume.GetName() for volume in unlabeled] == ["Phantom 03"]


@pytest.mark.slow
def test_nothing_else_enters_the_scene(loaded):
    context, _ = loaded
    assert context.scene.GetNumberOfNodesByClass("vtkMRMLVolumeNode") == 3
    assert context.scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 2
    assert context.scene.GetNumberOfNodesByClass("vtkMRMLVolumeArchetypeStorageNode") == 0


@pytest.mark.slow
def test_segments_have_names_and_colours_and_lie_on_their_volume(loaded):
    _, (labeled, _) = loaded
    for volume, truth in labeled:
        assert truth.GetNodeReference(truth.GetReferenceImageGeometryReferenceRole()) is volume
        segments = [truth.GetSegmentation().GetNthSegment(index) for index in range(2)]
        assert [segment.GetName() for segment in segments] == ["organ", "lesion"]
        assert len({segment.GetColor() for segment in segments}) == 2


@pytest.mark.slow
def test_the_organ_is_brighter_than_what_surrounds_it(loaded):
    context, (labeled, _) = loaded
    from CoraNetSlicerLib.core.segment_classes import classes_of, paint_labels
    from CoraNetSlicerLib.core.stepwise import run_to_end

    for volume, truth in labeled:
        labels = run_to_end(paint_labels(context, truth, volume, classes_of([truth])))
        image = array_of(volume)
        assert image[labels == 2].mean() > image[labels == 1].mean() > image[labels == 0].mean()


@pytest.mark.slow
def test_grids_are_oblique_and_differ_as_in_real_life(loaded):
    _, (labeled, unlabeled) = loaded
    matrices = [numpy_matrix(volume) for volume in (labeled[0][0], labeled[1][0], unlabeled[0])]
    assert np.count_nonzero(np.abs(matrices[0][:3, :3]) > 0.01) > 3
    assert not np.allclose(matrices[0], matrices[1])


def a_python(tmp_path, code: str) -> Interpreter:
    """A "Python" that runs `code` instead of the engine."""
    program = tmp_path / "python"
    script = tmp_path / "code.py"
    script.write_text(code, encoding="utf-8")
    # Not the interpreter in the first line of the script itself: there its path must not have spaces.
    program.write_text(f"#!/bin/sh\nexec '{sys.executable}' '{script}'\n", encoding="utf-8")
    program.chmod(0o755)
    return Interpreter(str(program), {})


@pytest.mark.skipif(sys.platform == "win32", reason="stands in for Python by a script")
@pytest.mark.parametrize(
    ("code", "message"),
    [
        (
            "import sys; sys.stderr.write('the package scipy is missing\\n'); sys.exit(8)",
            "the package scipy is missing",
        ),
        ("import sys; sys.exit(3)", "code 3"),
    ],
)
def test_why_it_could_not_be_made_is_said(tmp_path, context, code, message):
    with pytest.raises(DataError, match=message):
        load_phantom(context, a_python(tmp_path, code), 1, 0)
    assert context.scene.GetNumberOfNodesByClass("vtkMRMLVolumeNode") == 0


def test_a_python_that_is_not_there_is_said(tmp_path, context):
    with pytest.raises(DataError, match="choose another Python"):
        load_phantom(context, Interpreter(str(tmp_path / "no python"), {}), 1, 0)


@pytest.mark.slow
def test_wrong_numbers_are_said_by_the_engine(context):
    with pytest.raises(DataError, match="at least 1 labeled case"):
        CoraNetLogic(context).loadPhantom(labeled=0, unlabeled=2)
