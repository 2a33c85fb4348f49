"""TrainingPlot: events become tables, series and charts, once, and are found again after the scene is reloaded."""

from __future__ import annotations

import numpy as np
import pytest
from scene_bundles import saved_and_reloaded
from vtkmodules.util.numpy_support import vtk_to_numpy

from coranet.contract.events import Losses, Progress, Started, Validation
from CoraNetSlicerLib.train.scene import MEAN_COLUMN, STEP_COLUMN, TrainingPlot

PLOT_CLASSES = ("vtkMRMLTableNode", "vtkMRMLPlotSeriesNode", "vtkMRMLPlotChartNode")


def losses(step: int, total: float = 1.0) -> Losses:
    return Losses(step=step, phase="self-training", total=total, supervised=total / 2, certain=0.2, uncertain=0.1)


def validation(step: int, pancreas: float, tumor: float | None) -> Validation:
    mean = np.mean([value for value in (pancreas, tumor) if value is not None])
    return Validation(step=step, dice={"Pancreas": pancreas, "Tumor": tumor}, mean_dice=float(mean), is_best=True)


START = Started(step=0, total_steps=100, device="cpu", version="0")
EVENTS = [START, Progress("pretraining", 10, 100), losses(10, 1.5), losses(20, 1.0), validation(20, 0.5, 0.25)]


@pytest.fixture
def plot(context):
    return TrainingPlot(context, "Liver MR")


def table_of(chart):
    return chart.GetNthPlotSeriesNode(0).GetTableNode().GetTable()


def column(chart, name) -> list[float]:
    return vtk_to_numpy(table_of(chart).GetColumnByName(name)).tolist()


def series_names(chart) -> list[str]:
    return [chart.GetNthPlotSeriesNode(index).GetYColumnName() for index in range(chart.GetNumberOfPlotSeriesNodes())]


def number_of_plot_nodes(scene) -> list[int]:
    return [scene.GetNumberOfNodesByClass(name) for name in PLOT_CLASSES]


def test_losses_are_plotted_by_step(plot):
    plot.update(EVENTS)
    assert column(plot.losses_chart, STEP_COLUMN) == [10, 20]
    assert column(plot.losses_chart, "total") == [1.5, 1.0]
    assert column(plot.losses_chart, "supervised") == [0.75, 0.5]
    assert series_names(plot.losses_chart) == ["total", "supervised", "certain", "uncertain"]


def test_dice_is_plotted_for_each_class_and_their_mean_from_0_to_1(plot):
    plot.update(EVENTS)
    assert series_names(plot.dice_chart) == ["Pancreas", "Tumor", MEAN_COLUMN]
    assert column(plot.dice_chart, "Tumor") == [0.25]
    assert column(plot.dice_chart, MEAN_COLUMN) == [0.375]
    assert not plot.dice_chart.GetYAxisRangeAuto()
    assert plot.dice_chart.GetYAxisRange() == (0.0, 1.0)


def test_axes_grow_with_the_training(plot):
    plot.update([Losses(1, "pretraining", 2.0, 2.0)])
    assert (plot.losses_chart.GetXAxisRange(), plot.losses_chart.GetYAxisRange()) == ((0.0, 1.0), (0.0, 2.0))
    plot.update([Losses(step, "pretraining", 2.0 / step, 1.0, certain=3.0) for step in range(1, 50)])
    assert (plot.losses_chart.GetXAxisRange(), plot.losses_chart.GetYAxisRange()) == ((0.0, 49.0), (0.0, 3.0))
    plot.update([Validation(40, {"Liver": 0.5}, 0.5, True)])
    assert plot.dice_chart.GetXAxisRange() == (0.0, 40.0)


def test_axes_that_a_person_has_zoomed_stay(plot):
    plot.update([Losses(1, "pretraining", 2.0, 2.0)])
    plot.losses_chart.SetYAxisRange(0.5, 0.6)
    plot.update([Losses(step, "pretraining", 5.0, 1.0) for step in (1, 2)])
    assert (plot.losses_chart.GetXAxisRange(), plot.losses_chart.GetYAxisRange()) == ((0.0, 1.0), (0.5, 0.6))


def test_a_loss_that_is_not_finite_does_not_spoil_the_axes(plot):
    plot.update([Losses(1, "pretraining", float("nan"), 2.0), Losses(2, "pretraining", float("inf"), 1.0)])
    assert plot.losses_chart.GetYAxisRange() == (0.0, 2.0)
    plot.update([Losses(3, "pretraining", float("nan"), float("nan"))])
    assert plot.losses_chart.GetYAxisRange() == (0.0, 1.0)


def test_axes_have_titles(plot):
    plot.update(EVENTS)
    assert plot.losses_chart.GetXAxisTitle() == plot.dice_chart.GetXAxisTitle() == "Training step"
    assert plot.losses_chart.GetYAxisTitle() == "Loss"
    assert "Dice" in plot.dice_chart.GetYAxisTitle()
    assert "Liver MR" in plot.losses_chart.GetTitle()


def test_before_the_first_losses_there_is_nothing_to_plot(context, plot):
    plot.update(EVENTS[:2])
    assert plot.losses_chart is None and plot.dice_chart is None
    assert number_of_plot_nodes(context.scene) == [0, 0, 0]


def test_updates_go_into_the_same_nodes(context, plot):
    plot.update(EVENTS)
    before, chart = number_of_plot_nodes(context.scene), plot.losses_chart
    plot.update([*EVENTS, losses(30, 0.5), validation(30, 0.75, None)])
    assert number_of_plot_nodes(context.scene) == before
    assert plot.losses_chart is chart
    assert column(chart, STEP_COLUMN) == [10, 20, 30]
    assert np.isnan(column(plot.dice_chart, "Tumor")[1])


def test_steps_that_a_resumed_run_did_again_count_once(plot):
    resumed = Started(step=10, total_steps=100, device="cpu", version="0")
    plot.update([*EVENTS, resumed, losses(20, 0.875), validation(20, 0.625, 0.5)])
    assert column(plot.losses_chart, STEP_COLUMN) == [10, 20]
    assert column(plot.losses_chart, "total") == [1.5, 0.875]
    assert column(plot.dice_chart, "Pancreas") == [0.625]


def test_a_class_called_mean_does_not_hide_the_mean(plot):
    plot.update([Validation(step=5, dice={"mean": 0.25, "Liver": 0.75}, mean_dice=0.5, is_best=True)])
    assert series_names(plot.dice_chart) == ["mean", "Liver", "mean of all classes"]
    assert column(plot.dice_chart, "mean") == [0.25]


def test_two_trainings_do_not_share_nodes(context, plot):
    plot.update(EVENTS)
    other = TrainingPlot(context, "Liver CT")
    other.update([START, losses(10, 9.0)])
    assert column(plot.losses_chart, "total") == [1.5, 1.0]
    assert column(other.losses_chart, "total") == [9.0]


def test_after_saving_and_loading_the_scene_the_nodes_are_found_again(context, plot, tmp_path):
    plot.update(EVENTS)
    other = saved_and_reloaded(context, tmp_path)
    before = number_of_plot_nodes(other.scene)
    found = TrainingPlot(other, "Liver MR")
    found.update([*EVENTS, losses(30, 0.25)])
    assert number_of_plot_nodes(other.scene) == before == [2, 7, 2]
    assert column(found.losses_chart, "total") == [1.5, 1.0, 0.25]
