"""Hiding: all that lies over the anatomy goes for a moment, and comes back as it was."""

from __future__ import annotations

import pytest
from queued_application import QueuedApplication
from scene_builders import LIVER_MASK, SHAPE_KJI, add_segmentation, add_volume, rotated_ijk_to_ras
from shown_results import load_case

from CoraNetSlicerLib.review.hiding import Hiding
from CoraNetSlicerLib.review.uncertainty_map import UncertaintyMap


@pytest.fixture
def application(context):
    context.scene.AddNewNodeByClass("vtkMRMLSliceCompositeNode", "Red")
    return QueuedApplication(context.scene)


@pytest.fixture
def loaded(context, tmp_path):
    return load_case(context, tmp_path / "a" / "segment 1")


@pytest.fixture
def hiding(context, application):
    return Hiding(context, application)


@pytest.fixture
def truth(context):
    volume = add_volume(context, "Other", LIVER_MASK.astype("float32").reshape(SHAPE_KJI), rotated_ijk_to_ras())
    node = add_segmentation(context, "Other truth", volume, {"Liver": LIVER_MASK}, {"Liver": (1.0, 0.0, 0.0)})
    if node.GetDisplayNode() is None:
        node.CreateDefaultDisplayNodes()
    return node


def test_everything_goes_and_comes_back(context, application, loaded, hiding, truth):
    view = application.slice_composite_nodes()[0]
    shown = UncertaintyMap(context, application, lambda: None)
    shown.attach(loaded)
    shown.set_legend(True)
    legend = context.scene.GetFirstNodeByClass("vtkMRMLColorLegendDisplayNode")
    displays = [node.GetDisplayNode() for node in (loaded.segmentation, loaded.overlays, truth)] + [legend]
    hiding.hide()
    assert hiding.is_on and not any(display.GetVisibility() for display in displays)
    assert view.GetForegroundOpacity() == 0.0 and view.GetBackgroundVolumeID() == loaded.volume.GetID()
    hiding.show()
    assert not hiding.is_on and all(display.GetVisibility() for display in displays)
    assert view.GetForegroundOpacity() == pytest.approx(0.6)


def test_what_was_hidden_before_stays_hidden(loaded, hiding):
    loaded.overlays.GetDisplayNode().SetVisibility(False)
    hiding.hide()
    hiding.hide()
    hiding.show()
    hiding.show()
    assert loaded.segmentation.GetDisplayNode().GetVisibility()
    assert not loaded.overlays.GetDisplayNode().GetVisibility()


def test_what_leaves_the_scene_meanwhile_is_no_error(context, loaded, hiding):
    hiding.hide()
    context.scene.RemoveNode(loaded.overlays)
    context.scene.Clear(0)
    hiding.show()
    assert not hiding.is_on
