"""The course of a training as tables and plots in the scene: losses by step, validation Dice by step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Optional

import numpy as np
import slicer
from vtkmodules.util.numpy_support import numpy_to_vtk
from vtkmodules.vtkCommonDataModel import vtkTable

from coranet.contract.events import Event, Losses, Validation, without_superseded

from ..core.context import SceneContext

TRAINING_ATTRIBUTE = "CoraNetSlicer.Training"
PART_ATTRIBUTE = "CoraNetSlicer.TrainingPlotPart"
_RANGES_ATTRIBUTE = "CoraNetSlicer.PlotRanges"
STEP_COLUMN = "step"
MEAN_COLUMN = "mean"

_LOSS_COLUMNS = ("total", "supervised", "certain", "uncertain", "uncertain_share", "learning_rate")
_PLOTTED_LOSSES = ("total", "supervised", "certain", "uncertain")
_MEAN_COLOR = (0.15, 0.15, 0.15)
# Told apart with every kind of colour vision.
_COLORS = ((0.0, 0.45, 0.7), (0.84, 0.37, 0.0), (0.0, 0.62, 0.45), (0.8, 0.47, 0.65), (0.34, 0.71, 0.91))


class TrainingPlot:
    """The plot nodes of one training; they are found again after the scene was saved and loaded.

    Attributes:
        losses_chart: vtkMRMLPlotChartNode of the losses, None before the first ones came.
        dice_chart: vtkMRMLPlotChartNode of the validation Dice from 0 to 1, None before the first validation.
    """

    def __init__(self, context: SceneContext, name: str, identifier: str = "") -> None:
        """Find the nodes of a training in the scene, if there are any.

        Args:
            context: the scene.
            name: of the training, for people.
            identifier: of the job, by which its nodes are known; "": the name.
        """
        self._scene = context.scene
        self._name = name
        self._identifier = identifier or name
        self.losses_chart = self._find("vtkMRMLPlotChartNode", "losses")
        self.dice_chart = self._find("vtkMRMLPlotChartNode", "dice")

    def update(self, events: Iterable[Event]) -> None:
        """Bring tables and charts to the state of `events`; what was made before is used again.

        Args:
            events: all events of the training so far, in order; steps that a resumed run did again count once.
        """
        kept = without_superseded(events)
        losses = [event for event in kept if isinstance(event, Losses)]
        validations = [event for event in kept if isinstance(event, Validation)]
        if losses:
            self._update_losses(losses)
        if validations:
            self._update_dice(validations)

    def _update_losses(self, losses: Sequence[Losses]) -> None:
        columns = {STEP_COLUMN: [event.step for event in losses]}
        columns.update({name: [getattr(event, name) for event in losses] for name in _LOSS_COLUMNS})
        table = self._filled_table("losses", columns)
        if self.losses_chart is None:
            self.losses_chart = self._make_chart("losses", "Loss")
        for name, color in zip(_PLOTTED_LOSSES, _COLORS, strict=False):
            series = self._series("losses", name, color, table)
            series.SetLineWidth(3 if name == "total" else 2)
            self._ensure_in_chart(self.losses_chart, series)
        _fit(self.losses_chart, losses[-1].step, [value for name in _PLOTTED_LOSSES for value in columns[name]])

    def _update_dice(self, validations: Sequence[Validation]) -> None:
        classes = list(dict.fromkeys(name for event in validations for name in event.dice))
        columns = {STEP_COLUMN: [event.step for event in validations]}
        for name in classes:
            columns[name] = [event.dice.get(name) for event in validations]
        columns[self._mean_column(classes)] = [event.mean_dice for event in validations]
        table = self._filled_table("dice", columns)
        if self.dice_chart is None:
            self.dice_chart = self._make_chart("dice", "Dice on validation cases")
        colors = {name: _COLORS[index % len(_COLORS)] for index, name in enumerate(classes)}
        for name in list(columns)[1:]:
            series = self._series("dice", name, colors.get(name, _MEAN_COLOR), table)
            series.SetMarkerStyle(slicer.vtkMRMLPlotSeriesNode.MarkerStyleCircle)
            series.SetMarkerSize(7)
            self._ensure_in_chart(self.dice_chart, series)
        _fit(self.dice_chart, validations[-1].step, [1.0])

    @staticmethod
    def _mean_column(classes: Sequence[str]) -> str:
        return MEAN_COLUMN if MEAN_COLUMN not in classes else f"{MEAN_COLUMN} of all classes"

    def _filled_table(self, part: str, columns: Mapping[str, Sequence[Optional[float]]]) -> Any:
        node = self._find("vtkMRMLTableNode", part) or self._make("vtkMRMLTableNode", part, f"{self._name} {part}")
        table = vtkTable()
        for name, values in columns.items():
            # A None (Dice of a class without any voxel) becomes NaN, which plots leave out.
            column = numpy_to_vtk(np.array(values, dtype=float), deep=True)
            column.SetName(name)
            table.AddColumn(column)
        node.SetAndObserveTable(table)
        return node

    def _series(self, part: str, column: str, color: tuple[float, float, float], table: Any) -> Any:
        key = f"{part}:{column}"
        series = self._find("vtkMRMLPlotSeriesNode", key)
        if series is None:
            series = self._make("vtkMRMLPlotSeriesNode", key, column)
            series.SetPlotType(slicer.vtkMRMLPlotSeriesNode.PlotTypeScatter)
            series.SetMarkerStyle(slicer.vtkMRMLPlotSeriesNode.MarkerStyleNone)
            series.SetLineStyle(slicer.vtkMRMLPlotSeriesNode.LineStyleSolid)
            series.SetColor(*color)
            series.SetXColumnName(STEP_COLUMN)
            series.SetYColumnName(column)
        series.SetAndObserveTableNodeID(table.GetID())
        return series

    def _make_chart(self, part: str, y_title: str) -> Any:
        chart = self._make("vtkMRMLPlotChartNode", part, f"{self._name} {part} chart")
        chart.SetTitle(f"{self._name}: {part}" if part != "dice" else f"{self._name}: Dice")
        chart.SetXAxisTitle("Training step")
        chart.SetYAxisTitle(y_title)
        return chart

    @staticmethod
    def _ensure_in_chart(chart: Any, series: Any) -> None:
        if not chart.HasPlotSeriesNodeID(series.GetID()):
            chart.AddAndObservePlotSeriesNodeID(series.GetID())

    def _make(self, node_class: str, part: str, name: str) -> Any:
        node = self._scene.AddNewNodeByClass(node_class, name)
        node.SetAttribute(TRAINING_ATTRIBUTE, self._identifier)
        node.SetAttribute(PART_ATTRIBUTE, part)
        return node

    def _find(self, node_class: str, part: str) -> Any:
        for index in range(self._scene.GetNumberOfNodesByClass(node_class)):
            node = self._scene.GetNthNodeByClass(index, node_class)
            if node.GetAttribute(TRAINING_ATTRIBUTE) == self._identifier and node.GetAttribute(PART_ATTRIBUTE) == part:
                return node
        return None


def _fit(chart: Any, last_step: float, values: Sequence[float]) -> None:
    """Let the axes reach from 0 to the last step and the highest value, unless a person has chosen other ranges.

    The view of a chart would fit them once, to the first points, and not again when more come.
    """
    highest = max((value for value in values if np.isfinite(value)), default=0.0)
    ranges = (0.0, max(1.0, float(last_step)), 0.0, float(highest) if highest > 0 else 1.0)
    before = chart.GetAttribute(_RANGES_ATTRIBUTE)
    if before is not None and before != _as_text((*chart.GetXAxisRange(), *chart.GetYAxisRange())):
        return
    was_modifying = chart.StartModify()
    chart.SetXAxisRangeAuto(False)
    chart.SetYAxisRangeAuto(False)
    chart.SetXAxisRange(*ranges[:2])
    chart.SetYAxisRange(*ranges[2:])
    chart.SetAttribute(_RANGES_ATTRIBUTE, _as_text(ranges))
    chart.EndModify(was_modifying)


def _as_text(ranges: Sequence[float]) -> str:
    return " ".join(f"{value:.6g}" for value in ranges)
