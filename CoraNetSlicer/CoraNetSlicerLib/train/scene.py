"""A training in the scene and in the views: its curves as tables and plots, and how its uncertain region moved."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Optional

import numpy as np
import slicer
from vtkmodules.util.numpy_support import numpy_to_vtk
from vtkmodules.vtkCommonCore import VTK_UNSIGNED_CHAR
from vtkmodules.vtkCommonDataModel import vtkImageData, vtkTable

from coranet.contract import Job, Label
from coranet.contract.errors import DataError
from coranet.contract.events import Event, Losses, SnapshotSaved, Validation, without_superseded

from ..core.case_volume import find_or_load_volume
from ..core.context import SceneContext
from ..core.images import ijk_to_ras, read_image, voxels_of
from ..core.notification import Signal
from ..core.protocols import Host
from ..core.results import UNCERTAIN_COLOR, label_color, nodes_of_class
from ..core.stepwise import Steps, StepwiseWork
from ..jobs.handle import JobHandle

TRAINING_ATTRIBUTE = "CoraNetSlicer.Training"
PART_ATTRIBUTE = "CoraNetSlicer.TrainingPlotPart"
_RANGES_ATTRIBUTE = "CoraNetSlicer.PlotRanges"
STEP_COLUMN = "step"
MEAN_COLUMN = "mean"

_LOSS_COLUMNS = ("total", "supervised", "certain", "uncertain", "uncertain_share", "learning_rate")
_PLOTTED_LOSSES = ("total", "supervised", "certain", "uncertain")
_MEAN_COLOR = (0.15, 0.15, 0.15)
# Distinguishable with every kind of colour vision; where there are more curves, the lines differ.
_COLORS = (
    (0.0, 0.45, 0.7), (0.84, 0.37, 0.0), (0.0, 0.62, 0.45), (0.8, 0.47, 0.65), (0.34, 0.71, 0.91), (0.9, 0.62, 0.0),
)  # fmt: skip
_LINES = (
    slicer.vtkMRMLPlotSeriesNode.LineStyleSolid,
    slicer.vtkMRMLPlotSeriesNode.LineStyleDash,
    slicer.vtkMRMLPlotSeriesNode.LineStyleDot,
    slicer.vtkMRMLPlotSeriesNode.LineStyleDashDot,
)

_SNAPSHOT_PART = "uncertain region by step"
_LABEL_OPACITY = 0.5
_TABLE_SIZE = 256


class _TrainingNodes:
    """The nodes of one training, known by their attributes; they are found again after the scene was loaded."""

    def __init__(self, scene: Any, identifier: str) -> None:
        self._scene = scene
        self._identifier = identifier

    def _make(self, node_class: str, part: str, name: str) -> Any:
        node = self._scene.AddNewNodeByClass(node_class, name)
        node.SetAttribute(TRAINING_ATTRIBUTE, self._identifier)
        node.SetAttribute(PART_ATTRIBUTE, part)
        return node

    def _find(self, node_class: str, part: str) -> Any:
        marks = (self._identifier, part)
        nodes = nodes_of_class(self._scene, node_class)
        matches = (
            node
            for node in nodes
            if (node.GetAttribute(TRAINING_ATTRIBUTE), node.GetAttribute(PART_ATTRIBUTE)) == marks
        )
        return next(matches, None)


class TrainingPlot(_TrainingNodes):
    """The plot nodes of one training; they are found again after the scene was saved and loaded.

    Attributes:
        losses_chart: vtkMRMLPlotChartNode of the losses, None before the first ones came.
        dice_chart: vtkMRMLPlotChartNode of the validation Dice from 0 to 1, None before the first validation.
    """

    def __init__(self, context: SceneContext, name: str, identifier: str = "") -> None:
        """Find the nodes of a training by the identifier of its job, else by its name, if there are any."""
        super().__init__(context.scene, identifier or name)
        self._name = name
        self.losses_chart = self._find("vtkMRMLPlotChartNode", "losses")
        self.dice_chart = self._find("vtkMRMLPlotChartNode", "dice")

    def update(self, events: Iterable[Event]) -> None:
        """Bring tables and charts to the state of all events so far; what was made before is used again.

        Steps that a resumed run did again count once.
        """
        current = without_superseded(events)
        losses = [event for event in current if isinstance(event, Losses)]
        validations = [event for event in current if isinstance(event, Validation)]
        if losses:
            self._update_losses(losses)
        if validations:
            self._update_dice(validations)

    def _update_losses(self, losses: Sequence[Losses]) -> None:
        columns: dict[str, list[float]] = {STEP_COLUMN: [event.step for event in losses]}
        columns.update({name: [getattr(event, name) for event in losses] for name in _LOSS_COLUMNS})
        table = self._filled_table("losses", columns)
        if self.losses_chart is None:
            self.losses_chart = self._make_chart("losses", "Loss")
        for index, name in enumerate(_PLOTTED_LOSSES):
            series = self._series(self.losses_chart, f"losses:{name}", index, table)
            series.SetLineWidth(3 if name == "total" else 2)
        _fit(self.losses_chart, losses[-1].step, [value for name in _PLOTTED_LOSSES for value in columns[name]])

    def _update_dice(self, validations: Sequence[Validation]) -> None:
        classes = list(dict.fromkeys(name for event in validations for name in event.dice))
        columns: dict[str, list[Optional[float]]] = {STEP_COLUMN: [event.step for event in validations]}
        for name in classes:
            columns[name] = [event.dice.get(name) for event in validations]
        mean = MEAN_COLUMN if MEAN_COLUMN not in classes else f"{MEAN_COLUMN} of all classes"
        columns[mean] = [event.mean_dice for event in validations]
        table = self._filled_table("dice", columns)
        if self.dice_chart is None:
            self.dice_chart = self._make_chart("dice", "Dice on validation cases")
        for index, name in enumerate(list(columns)[1:]):
            series = self._series(self.dice_chart, f"dice:{name}", index if index < len(classes) else None, table)
            series.SetMarkerStyle(slicer.vtkMRMLPlotSeriesNode.MarkerStyleCircle)
            series.SetMarkerSize(7)
        _fit(self.dice_chart, validations[-1].step, [1.0])

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

    def _series(self, chart: Any, key: str, index: Optional[int], table: Any) -> Any:
        """The curve in a chart of "part:column"; `index` counts those of a chart, None is their mean."""
        column = key.partition(":")[2]
        series = self._find("vtkMRMLPlotSeriesNode", key)
        if series is None:
            series = self._make("vtkMRMLPlotSeriesNode", key, column)
            series.SetPlotType(slicer.vtkMRMLPlotSeriesNode.PlotTypeScatter)
            series.SetMarkerStyle(slicer.vtkMRMLPlotSeriesNode.MarkerStyleNone)
            series.SetLineStyle(_LINES[(index or 0) // len(_COLORS) % len(_LINES)])
            series.SetColor(*(_MEAN_COLOR if index is None else _COLORS[index % len(_COLORS)]))
            series.SetXColumnName(STEP_COLUMN)
            series.SetYColumnName(column)
        series.SetAndObserveTableNodeID(table.GetID())
        if not chart.HasPlotSeriesNodeID(series.GetID()):
            chart.AddAndObservePlotSeriesNodeID(series.GetID())
        return series

    def _make_chart(self, part: str, y_title: str) -> Any:
        chart = self._make("vtkMRMLPlotChartNode", part, f"{self._name} {part} chart")
        chart.SetTitle(f"{self._name}: {part}" if part != "dice" else f"{self._name}: Dice")
        chart.SetXAxisTitle("Training step")
        chart.SetYAxisTitle(y_title)
        return chart


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


class SnapshotSequence(_TrainingNodes):
    """The snapshots of one training in the scene; the nodes are found again after the scene was saved and loaded.

    The index of the sequence is the training step. Each label map holds 0 where the voxel is certain background, 1, 2,
    ... where it is certainly of a class, and `SnapshotSaved.UNCERTAIN`.
    """

    def __init__(self, context: SceneContext, job: Job) -> None:
        super().__init__(context.scene, job.identifier)
        self._context = context
        self._job = job
        self._name = job.folder.name

    @property
    def browser(self) -> Any:
        """The vtkMRMLSequenceBrowserNode; None before the first snapshot was added."""
        return self._find("vtkMRMLSequenceBrowserNode", _SNAPSHOT_PART)

    @property
    def sequence(self) -> Any:
        """The vtkMRMLSequenceNode; None before the first snapshot was added."""
        return self._find("vtkMRMLSequenceNode", _SNAPSHOT_PART)

    @property
    def label_map(self) -> Any:
        """The vtkMRMLLabelMapVolumeNode that shows the chosen step; None before the first snapshot was added."""
        # Its own attributes are replaced by those of the item that it shows.
        browser = self.browser
        return None if browser is None else browser.GetProxyNode(self.sequence)

    @property
    def steps(self) -> tuple[int, ...]:
        """The training steps that are in the scene, ascending."""
        sequence = self.sequence
        count = sequence.GetNumberOfDataNodes() if sequence is not None else 0
        return tuple(int(float(sequence.GetNthIndexValue(index))) for index in range(count))

    def missing(self, events: Iterable[Event]) -> list[SnapshotSaved]:
        """The snapshots of a training that are not in the scene yet, in order."""
        known = set(self.steps)
        latest = {event.step: event for event in events if isinstance(event, SnapshotSaved)}
        return [latest[step] for step in sorted(latest) if step not in known]

    def add(self, snapshot: SnapshotSaved) -> None:
        """Load one snapshot; the step that is shown stays, unless it was the last one.

        Raises:
            DataError: its file is missing or damaged.
        """
        image = _cropped(read_image(self._job.folder / snapshot.file, slicer.vtkMRMLLabelMapVolumeNode()))
        image.SetName(f"{self._name} step {snapshot.step}")
        if self.sequence is None:
            self._make_nodes(image)
        sequence, browser = self.sequence, self.browser
        was_at_end = browser.GetSelectedItemNumber() >= sequence.GetNumberOfDataNodes() - 1
        sequence.SetDataNodeAtValue(image, str(snapshot.step))
        if was_at_end:
            browser.SelectLastItem()

    def volume(self, case_id: str) -> Any:
        """The volume that the snapshots belong to: the one in the scene that was exported, else its file is loaded.

        Raises:
            DataError: the training has no such case, or its image cannot be read.
        """
        case = next((listed for listed in self._job.read_datalist().cases if listed.id == case_id), None)
        if case is None:
            raise DataError(f"'{self._name}' has no case '{case_id}', of which it keeps snapshots; restore its files.")
        return find_or_load_volume(self._context, self._job, case)

    def show(self, volume: Any, composite_nodes: Sequence[Any]) -> None:
        """Lay the label map over its volume, in each vtkMRMLSliceCompositeNode."""
        label_map = self.label_map
        if label_map is None:
            return
        label_map.SetAndObserveTransformNodeID(volume.GetTransformNodeID())
        for composite in composite_nodes:
            composite.SetLabelVolumeID(label_map.GetID())
            composite.SetLabelOpacity(_LABEL_OPACITY)

    def _make_nodes(self, first: Any) -> None:
        sequence = self._made("vtkMRMLSequenceNode", "course of the uncertain region")
        sequence.SetIndexName("step")
        sequence.SetIndexUnit("")
        sequence.SetIndexType(slicer.vtkMRMLSequenceNode.NumericIndex)
        label_map = self._made("vtkMRMLLabelMapVolumeNode", "snapshot")
        label_map.CopyContent(first)
        display = self._context.scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeDisplayNode")
        display.SetAndObserveColorNodeID(self._colors(self._job.read_datalist().labels).GetID())
        label_map.SetAndObserveDisplayNodeID(display.GetID())
        browser = self._made("vtkMRMLSequenceBrowserNode", "uncertain region by step")
        browser.SetAndObserveMasterSequenceNodeID(sequence.GetID())
        # The node itself, not a copy of it: it has its colours already.
        browser.AddProxyNode(label_map, sequence, False)
        browser.SetOverwriteProxyName(sequence, False)
        browser.SetIndexDisplayModeFromString("IndexValue")
        browser.SetIndexDisplayFormat("%.0f")

    def _colors(self, labels: Sequence[Label]) -> Any:
        table = self._made("vtkMRMLColorTableNode", "snapshot colors")
        table.SetTypeToUser()
        table.SetNumberOfColors(_TABLE_SIZE)
        for index in range(_TABLE_SIZE):
            table.SetColor(index, "", 0.0, 0.0, 0.0, 0.0)
        for index, label in enumerate(labels, start=1):
            table.SetColor(index, label.name, *label_color(label), 1.0)
        table.SetColor(SnapshotSaved.UNCERTAIN, "uncertain", *UNCERTAIN_COLOR, 1.0)
        return table

    def _made(self, node_class: str, name: str) -> Any:
        return self._make(node_class, _SNAPSHOT_PART, self._scene.GenerateUniqueName(f"{self._name} {name}"))


def _cropped(node: Any) -> Any:
    """The node with the box that is not background: a whole scan for every step would not fit into memory."""
    voxels = voxels_of(node.GetImageData())
    box = _box(voxels)
    cropped = np.ascontiguousarray(voxels[tuple(slice(first, last + 1) for first, last in box)], dtype=np.uint8)
    corner = ijk_to_ras(node).MultiplyPoint([*(float(first) for first, _last in reversed(box)), 1.0])
    smaller = vtkImageData()
    smaller.SetDimensions(*reversed(cropped.shape))
    smaller.GetPointData().SetScalars(numpy_to_vtk(cropped.ravel(), deep=True, array_type=VTK_UNSIGNED_CHAR))
    node.SetAndObserveImageData(smaller)
    node.SetOrigin(*corner[:3])
    return node


def _box(voxels: np.ndarray) -> list[tuple[int, int]]:
    """First and last index of what is not 0, along each axis; of an empty array its first voxel."""
    # Whole slices first: they lie in one piece in memory.
    depth = _extent(voxels.reshape(len(voxels), -1).max(axis=1))
    plane = voxels[depth[0] : depth[1] + 1].max(axis=0)
    return [depth, _extent(plane.max(axis=1)), _extent(plane.max(axis=0))]


def _extent(occupied: np.ndarray) -> tuple[int, int]:
    indices = np.flatnonzero(occupied)
    return (int(indices[0]), int(indices[-1])) if indices.size else (0, 0)


class TrainingViews:
    """Curves and snapshots of the training that is followed, for the views.

    Attributes:
        failed: sent with a sentence when a snapshot cannot be shown.
        has_curves, has_snapshots: whether there are some to be shown.
    """

    def __init__(self, context: SceneContext, application: Host) -> None:
        self.failed = Signal()
        self._context = context
        self._application = application
        self._loading = StepwiseWork(application, self._on_loaded)
        self.follow(None)

    def follow(self, handle: Optional[JobHandle]) -> None:
        """Show another training from now on, or none."""
        self._loading.stop()
        self._handle = handle
        self.has_curves = self.has_snapshots = False
        self._shows_losses = self._follows_snapshots = self._is_to_be_shown = False

    def take(self, new: Iterable[Event]) -> None:
        """Bring curves and snapshots up to date with new events."""
        if self._handle is None:
            return
        kinds = {type(event) for event in new}
        if kinds & {Losses, Validation}:
            self.has_curves = True
            self._plot(self._handle).update(self._handle.events)
        if SnapshotSaved in kinds:
            self.has_snapshots = True
            self._load_missing(self._handle)

    def show_curves(self) -> None:
        """Show the validation Dice, if there is any; the next time, the losses."""
        if self._handle is None:
            return
        plot = self._plot(self._handle)
        plot.update(self._handle.events)
        charts = [chart for chart in (plot.dice_chart, plot.losses_chart) if chart is not None]
        if charts:
            chart = charts[-1] if self._shows_losses else charts[0]
            self._application.show_chart(chart, rises=chart is plot.dice_chart)
            self._shows_losses = not self._shows_losses

    def show_snapshots(self) -> None:
        """Show the snapshots over their volume, to be scrolled through; those to come are added.

        Raises:
            DataError: the volume cannot be read.
        """
        if self._handle is None or not self.has_snapshots:
            return
        self._application.show_volume(self._volume_of_snapshots(self._handle))
        self._follows_snapshots = self._is_to_be_shown = True
        if not self._load_missing(self._handle) and not self._loading.is_busy:
            self._lay_over_volume(self._handle)

    def _plot(self, handle: JobHandle) -> TrainingPlot:
        # Found anew each time: the scene may have been closed, or a person has deleted its nodes.
        return TrainingPlot(self._context, handle.folder.name, handle.job.identifier)

    def _load_missing(self, handle: JobHandle) -> bool:
        """Begin to load the snapshots that are not in the scene yet. Returns whether there are any."""
        if not self._follows_snapshots or self._loading.is_busy:
            return False
        is_needed = bool(SnapshotSequence(self._context, handle.job).missing(handle.events))
        if is_needed:
            self._loading.begin(self._load(handle))
        return is_needed

    def _load(self, handle: JobHandle) -> Steps:
        """Load one snapshot after the other, those too that come meanwhile."""
        snapshots = SnapshotSequence(self._context, handle.job)
        while missing := snapshots.missing(handle.events):
            snapshots.add(missing[0])
            self._lay_over_volume(handle)
            yield

    def _on_loaded(self, problem: str) -> None:
        if problem:
            self._follows_snapshots = False
            self.failed.send(problem)

    def _lay_over_volume(self, handle: JobHandle) -> None:
        """Once for each request: later a person may have chosen to see something else."""
        if not self._is_to_be_shown:
            return
        self._is_to_be_shown = False
        snapshots = SnapshotSequence(self._context, handle.job)
        snapshots.show(self._volume_of_snapshots(handle), self._application.slice_composite_nodes())
        self._application.show_sequence(snapshots.browser)

    def _volume_of_snapshots(self, handle: JobHandle) -> Any:
        latest = [event for event in handle.events if isinstance(event, SnapshotSaved)][-1]
        return SnapshotSequence(self._context, handle.job).volume(latest.case)
