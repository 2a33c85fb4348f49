"""The ring of a slide is as wide as it reaches, and as thick as its slice where it stays in one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scene_builders import add_volume

from coranet.contract import Slide
from CoraNetSlicerLib.review.region_view import SlideRing

SPACING = (0.9, 0.7, 2.5)
BALL = Slide((4.0, 5.0, 6.0), 6.0, 0.5, 1, 0)
DISC = replace(BALL, slice_axis=2)


@pytest.fixture
def volume(context):
    return add_volume(context, "scan", np.zeros((12, 11, 10), np.int16), np.diag([*SPACING, 1.0]))


def bounds(ring) -> np.ndarray:
    return np.array(ring.node.GetPolyData().GetBounds()).reshape(3, 2)


def test_a_ball_is_a_sphere_that_slices_draw_and_nobody_else(context, volume):
    ring = SlideRing(context)
    ring.draw(volume, BALL)
    np.testing.assert_allclose(bounds(ring).mean(axis=1), np.multiply(BALL.center_ijk, SPACING), atol=0.1)
    np.testing.assert_allclose(np.ptp(bounds(ring), axis=1), 12.0, atol=0.2)
    display = ring.node.GetDisplayNode()
    assert display.GetVisibility2D() and not display.GetVisibility3D()
    assert ring.node.GetHideFromEditors() and not ring.node.GetSaveWithScene()


@pytest.mark.parametrize("axis", [0, 2])
def test_a_disc_is_as_thick_as_its_slice(context, volume, axis):
    ring = SlideRing(context)
    ring.draw(volume, replace(BALL, slice_axis=axis))
    np.testing.assert_allclose(bounds(ring).mean(axis=1), np.multiply(BALL.center_ijk, SPACING), atol=0.1)
    size = [12.0, 12.0, 12.0]
    size[axis] = SPACING[axis]
    np.testing.assert_allclose(np.ptp(bounds(ring), axis=1), size, atol=0.2)


def test_it_follows_and_goes_without_leaving_anything(context, volume):
    nodes = context.scene.GetNumberOfNodes()
    ring = SlideRing(context)
    ring.draw(volume, BALL)
    node, drawn = ring.node, ring.node.GetPolyData().GetMTime()
    ring.draw(volume, replace(BALL, level=0.7))
    assert ring.node is node and node.GetPolyData().GetMTime() == drawn, "it is not made again for nothing"
    ring.draw(volume, replace(BALL, radius_mm=9.0))
    assert ring.node is node and np.ptp(bounds(ring)[2]) == pytest.approx(18.0)
    ring.draw(volume, replace(DISC, radius_mm=9.0))
    assert np.ptp(bounds(ring)[2]) == pytest.approx(2.5)
    ring.clear()
    ring.clear()
    assert context.scene.GetNumberOfNodes() == nodes
    ring.draw(volume, BALL)
    context.scene.Clear(0)
    ring.clear()
