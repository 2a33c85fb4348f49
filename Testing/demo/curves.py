"""The training's curves as a picture, from the plot nodes in the scene."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from vtkmodules.util.numpy_support import vtk_to_numpy

mpl.use("Agg")
import matplotlib.pyplot as plt


def draw_curves(plot: Any, path: Path) -> None:
    """Losses beside validation Dice, 1500 x 600 pixels.

    Args:
        plot: CoraNetSlicerLib's TrainingPlot.
        path: of the PNG.
    """
    charts = [chart for chart in (plot.losses_chart, plot.dice_chart) if chart is not None]
    if not charts:
        return
    figure, axes = plt.subplots(1, len(charts), figsize=(7.5 * len(charts), 6), dpi=100, squeeze=False)
    for axis, chart in zip(axes[0], charts, strict=True):
        _draw_chart(axis, chart)
    figure.tight_layout()
    figure.savefig(path)
    plt.close(figure)


def _draw_chart(axis: Any, chart: Any) -> None:
    for index in range(chart.GetNumberOfPlotSeriesNodes()):
        series = chart.GetNthPlotSeriesNode(index)
        table = series.GetTableNode().GetTable()
        x, y = (
            vtk_to_numpy(table.GetColumnByName(name)) for name in (series.GetXColumnName(), series.GetYColumnName())
        )
        if chart.GetYAxisRangeAuto() and not np.any(y):
            continue
        marker = "o" if series.GetMarkerStyle() else None
        axis.plot(x, y, color=series.GetColor(), linewidth=series.GetLineWidth() * 0.7, marker=marker, markersize=5,
                  label=series.GetYColumnName())  # fmt: skip
    axis.set(title=chart.GetTitle(), xlabel=chart.GetXAxisTitle(), ylabel=chart.GetYAxisTitle())
    if chart.GetYAxisRangeAuto():
        axis.set_ylim(bottom=0)
    else:
        axis.set_ylim(*chart.GetYAxisRange())
    axis.grid(alpha=0.3)
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False)
