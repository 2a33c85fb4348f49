"""The colour legend of the uncertainty map."""

from __future__ import annotations

from typing import Any

import slicer

_CLASS = "vtkMRMLColorLegendDisplayNode"


def show_legend(volume_node: Any, title: str) -> None:
    """Show the colours of a volume and what they mean, where the volume is drawn.

    Args:
        volume_node: vtkMRMLScalarVolumeNode in a scene, with a display node.
        title: stands above the colours.
    """
    legend = _legend_of(volume_node)
    if legend is None:
        legend = slicer.vtkMRMLColorLegendDisplayNode()
        legend.SetName(f"{volume_node.GetName()} legend")
        volume_node.GetScene().AddNode(legend)
        legend.SetAndObservePrimaryDisplayNode(volume_node.GetDisplayNode())
        volume_node.AddAndObserveDisplayNodeID(legend.GetID())
    legend.SetTitleText(title)
    # The map is not drawn in 3D, and its legend would stand there alone.
    legend.SetVisibility3D(False)
    legend.SetVisibility(True)


def hide_legend(volume_node: Any) -> None:
    """Hide the legend of a volume, if it has one."""
    legend = _legend_of(volume_node)
    if legend is not None:
        legend.SetVisibility(False)


def is_legend_shown(volume_node: Any) -> bool:
    """Whether a volume has a legend that is switched on."""
    legend = _legend_of(volume_node)
    return legend is not None and bool(legend.GetVisibility())


def _legend_of(volume_node: Any) -> Any:
    nodes = (volume_node.GetNthDisplayNode(index) for index in range(volume_node.GetNumberOfDisplayNodes()))
    return next((node for node in nodes if node is not None and node.IsA(_CLASS)), None)
