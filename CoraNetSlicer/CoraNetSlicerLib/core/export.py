"""The export of nodes as a job of the engine: NRRD files on each volume's own grid, and a datalist."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Optional

import numpy as np
import slicer
from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy
from vtkmodules.vtkCommonCore import (
    VTK_BIT,
    VTK_CHAR,
    VTK_ID_TYPE,
    VTK_LONG,
    VTK_LONG_LONG,
    VTK_SIGNED_CHAR,
    VTK_UNSIGNED_CHAR,
    VTK_UNSIGNED_LONG,
    VTK_UNSIGNED_LONG_LONG,
    VTK_UNSIGNED_SHORT,
)
from vtkmodules.vtkCommonDataModel import vtkImageData

from coranet.contract import Case, Datalist, Job, JobKind, Label, Role, unique_case_names
from coranet.contract.config import SegmentConfig, TrainConfig
from coranet.contract.errors import DataError, JobError, StorageError, storage_error

from .case_images import (
    CaseImages,
    LabelFile,
    absolute,
    as_list,
    as_pairs,
    channels_of,
    first_image,
    images_of,
    in_order,
    is_path,
    name_of_image,
    require_files,
    require_images,
    require_segmentation,
    require_usable_volume,
)
from .context import SceneContext
from .images import elements, ijk_to_ras, lie_as
from .results import case_key, mark_as_case
from .segment_classes import classes_of, paint_labels
from .stepwise import checked_each, run_to_end
from .translation import _

# (volume node, segmentation node), or paths instead: (path of an image, LabelFile). Of several channels, the first is
# itself a tuple: ((T1 node, FLAIR node), segmentation node).
LabeledNodes = tuple[CaseImages, Any]
_TYPES_NO_FILE_HAS = (
    VTK_BIT, VTK_CHAR, VTK_SIGNED_CHAR, VTK_LONG, VTK_UNSIGNED_LONG, VTK_LONG_LONG, VTK_UNSIGNED_LONG_LONG, VTK_ID_TYPE,
)  # fmt: skip


@dataclass(frozen=True)
class TrainingNodes:
    """What a training learns from: nodes, and files that are used where they lie.

    Attributes:
        labeled: (volume node, segmentation node) of each labeled case; at least one. A path may stand for the volume
            node, and then a LabelFile for the segmentation node.
        unlabeled: volume nodes, or paths of images, without segmentation.
        validation: as `labeled`, of cases that only measure; none: of 20 labeled ones or more a tenth is.
        segment_names: the segments to learn; None: all, which then must be the same in all cases.
        values: label value of each segment's name, where a model has fixed them; None: they are chosen.
        channels: names of the images of each case, where there are several; (): as the cases name them, or not at all.
    """

    labeled: Sequence[LabeledNodes]
    unlabeled: Sequence[Any] = ()
    validation: Sequence[LabeledNodes] = ()
    segment_names: Optional[Sequence[str]] = None
    values: Optional[Mapping[str, int]] = None
    channels: Sequence[str] = ()

    def __post_init__(self) -> None:
        for name in ("labeled", "validation"):
            object.__setattr__(self, name, as_pairs(getattr(self, name), name))
        object.__setattr__(self, "unlabeled", as_list(self.unlabeled))
        if self.segment_names is not None:
            names = [self.segment_names] if isinstance(self.segment_names, str) else self.segment_names
            object.__setattr__(self, "segment_names", [str(name) for name in names])
        channels = tuple(self.channels) or channels_of(self.cases)
        object.__setattr__(self, "channels", channels)
        for name in ("labeled", "validation"):
            pairs = [(in_order(images, channels), label) for images, label in getattr(self, name)]
            object.__setattr__(self, name, pairs)
        object.__setattr__(self, "unlabeled", [in_order(images, channels) for images in self.unlabeled])

    @property
    def cases(self) -> list[CaseImages]:
        """The images of all cases, in the order in which cases are numbered."""
        return [pair[0] for pair in (*self.labeled, *self.validation)] + list(self.unlabeled)

    @property
    def volumes(self) -> list[Any]:
        """The first volume node or path of each case, on which labels and results lie."""
        return [first_image(images) for images in self.cases]


@dataclass(frozen=True)
class _CaseToWrite:
    """A case by its name, with its images, and what labels it."""

    name: str
    role: Role
    images: CaseImages
    label: Any


class _JobExport:
    """Writes the job directory of nodes in steps, so that the application can answer in between.

    Of volumes it notes which case of the job they are. So results and snapshots are laid over them and not over a
    second copy, and once a volume is reviewed, a training knows it again.
    """

    def __init__(self, folder: str | Path, config: TrainConfig | SegmentConfig) -> None:
        kind = JobKind.TRAIN if isinstance(config, TrainConfig) else JobKind.SEGMENT
        self._future_job = job = Job(Path(folder).absolute(), kind)
        if Job.exists(job.folder):
            raise JobError(f"'{job.folder}' already holds a job; choose a new folder, or resume the job that is there.")
        self._config = config
        self._context: Any = None
        self._work: list[tuple[Role, CaseImages, Any]] = []
        self._labels: tuple[Label, ...] = ()
        self._channels: tuple[str, ...] = ()

    def steps(self) -> Generator[Optional[str], None, Job]:
        """Do the work, and yield what is written next where that changes. Returns the job.

        Where it ends before its time, by an error or because it is closed, nothing is left in the folder.

        Raises:
            DataError: a segmentation cannot be used.
            StorageError: a file could not be written.
        """
        names = unique_case_names(name_of_image(first_image(images)) for _role, images, _label in self._work)
        work = [_CaseToWrite(name, *parts) for name, parts in zip(names, self._work, strict=True)]
        cases = []
        with CaseFiles(self._future_job) as files:
            for number, part in enumerate(work, start=1):
                yield _("Writing case {number} of {count}").format(number=number, count=len(work))
                cases.append((yield from self._case_steps(files, part)))
            datalist = Datalist(tuple(cases), self._labels, self._channels)
            created = Job.create(self._future_job.folder, self._future_job.kind, self._config, datalist)
        for part in work:
            if not is_path(first_image(part.images)):
                mark_as_case(first_image(part.images), case_key(created, part.name))
        return created

    def _case_steps(self, files: CaseFiles, part: _CaseToWrite) -> Generator[None, None, Case]:
        """Write one case, and yield wherever that may be interrupted."""
        label, label_path, image = part.label, None, first_image(part.images)
        volumes = [volume for volume in images_of(part.images) if not is_path(volume)]
        for volume in volumes:
            require_usable_volume(volume)
        before = [_voxels_and_grid(volume) for volume in volumes]
        names: tuple[tuple[int, str], ...] = ()
        if isinstance(label, LabelFile):
            # Read where it lies, by the engine alone, whatever its values are: one reader has one opinion of a file.
            label_path = absolute(label.path)
            names = () if label.fits(self._labels) else tuple(sorted(label.names.items()))
        elif label is not None:
            painting = paint_labels(self._context, label, image, self._labels)
            painted = yield from checked_each(painting, lambda: _require_same(volumes, before))
            label_path = files.write_label(part.name, painted, image)
            yield
        paths: list[str] = []
        for number, channel in enumerate(images_of(part.images), start=1):
            if paths:
                yield
            _require_same(volumes, before)
            paths.append(absolute(channel) if is_path(channel) else files.write_image(part.name, channel, number))
        return Case(part.name, part.role, paths[0], label_path, more_images=tuple(paths[1:]), label_names=names)


def _voxels_and_grid(volume: Any) -> tuple[object, ...]:
    image = volume.GetImageData()
    return (image, image.GetMTime() if image is not None else 0, *elements(ijk_to_ras(volume)).ravel())


def _require_same(volumes: Sequence[Any], before: Sequence[tuple[object, ...]]) -> None:
    """Raise DataError where a volume has changed meanwhile: its label would be that of other voxels."""
    for volume, facts in zip(volumes, before, strict=True):
        if _voxels_and_grid(volume) != facts:
            raise DataError(
                f"'{volume.GetName()}' was changed while its files were being written, as a sequence that plays does; "
                "start again, and leave it as it is."
            )


class TrainingExport(_JobExport):
    """Writes the job directory of a training in steps.

    Example:
        >>> job = run_to_end(TrainingExport(context, folder, nodes, config).steps())
    """

    def __init__(self, context: SceneContext, folder: str | Path, nodes: TrainingNodes, config: TrainConfig) -> None:
        """Check what is to be written into a new folder; nothing is written yet.

        Raises:
            DataError: a node cannot be used; the message names it and says what to do.
            JobError: the folder holds a job already.
        """
        if not nodes.labeled:
            raise DataError(
                "a training needs at least one labeled volume, got none; pair a volume with its segmentation."
            )
        pairs = (*nodes.labeled, *nodes.validation)
        for images, label in pairs:
            _require_label(label, first_image(images))
        require_images(nodes.cases, nodes.channels)
        labels = classes_of([pair[1] for pair in pairs], nodes.segment_names)
        super().__init__(folder, config)
        self._context = context
        self._labels = tuple(
            replace(label, value=(nodes.values or {}).get(label.name, label.value)) for label in labels
        )
        self._channels = tuple(nodes.channels)
        self._work = [(Role.TRAINING, *pair) for pair in nodes.labeled]
        self._work += [(Role.VALIDATION, *pair) for pair in nodes.validation]
        self._work += [(Role.UNLABELED, images, None) for images in nodes.unlabeled]


class SegmentExport(_JobExport):
    """Writes the job directory of a segmentation in steps."""

    def __init__(
        self, folder: str | Path, volumes: Sequence[CaseImages], config: SegmentConfig, channels: Sequence[str] = ()
    ) -> None:
        """Check what is to be written into a new folder; nothing is written yet.

        Args:
            folder: the new job's folder.
            volumes: volume nodes to be segmented, at least one; of several channels, a tuple of nodes for each case.
            config: the resolved configuration with the model.
            channels: names of the model's channels; (): as many as the case with the most images has.

        Raises:
            DataError: a volume cannot be used, or a channel is missing; the message names it and says what to do.
            JobError: the folder holds a job already.
        """
        volumes = as_list(volumes)
        if not volumes:
            raise DataError("there is nothing to segment; give at least one volume.")
        channels = tuple(channels) or channels_of(volumes)
        volumes = [in_order(images, channels) for images in volumes]
        require_images(volumes, channels)
        super().__init__(folder, config)
        self._channels = channels if len(channels) > 1 else ()
        self._work = [(Role.INPUT, images, None) for images in volumes]


def export_training_job(context: SceneContext, folder: str | Path, nodes: TrainingNodes, config: TrainConfig) -> Job:
    """What `TrainingExport` does, all at once; raises as it does."""
    return run_to_end(TrainingExport(context, folder, nodes, config).steps())


def export_segment_job(
    folder: str | Path, volumes: Sequence[CaseImages], config: SegmentConfig, channels: Sequence[str] = ()
) -> Job:
    """What `SegmentExport` does, all at once; raises as it does."""
    return run_to_end(SegmentExport(folder, volumes, config, channels).steps())


def _require_label(label: Any, image: Any) -> None:
    owner = "a labeled case" if image is None else name_of_image(image)
    if is_path(label):
        raise DataError(
            f"the label map '{label}' does not say what its values mean; give LabelFile(path, {{1: 'a name'}}) instead."
        )
    if isinstance(label, LabelFile):
        require_files([label.path])
        return
    require_segmentation(label, owner)
    if is_path(image):
        raise DataError(
            f"the image '{image}' is on disk and its segmentation '{label.GetName()}' in the scene; load the image, "
            "or give the label map as a file, too."
        )


class CaseFiles:
    """Writes the files of cases; takes them away again when the block fails, so that no half job stays behind."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._written: list[Path] = []
        self._made: list[Path] = []

    def __enter__(self) -> CaseFiles:
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if kind is None:
            return
        for path in self._written:
            path.unlink(missing_ok=True)
        for folder in self._made:
            # Other files in it are not ours.
            with suppress(OSError):
                folder.rmdir()

    def write_image(self, name: str, volume: Any, channel: int = 1) -> str:
        """Write a volume, of the first or another channel of a case; returns the path as the datalist has it."""
        # No case has a plus in its name.
        file = f"{name}.nrrd" if channel == 1 else f"{name}+{channel}.nrrd"
        # Uncompressed: compressing a CT takes many seconds, in which the application would not answer.
        return self._write(volume, self._job.images_folder / file, compressed=False)

    def write_label(self, name: str, label: np.ndarray, grid: Any) -> str:
        """Write a label map (k, j, i) on the grid of a volume node; returns the path as the datalist has it."""
        return self._write(label_node(label, grid), self._job.labels_folder / f"{name}.nrrd", compressed=True)

    def _write(self, node: Any, path: Path, compressed: bool) -> str:
        self._made = [*(folder for folder in (path.parent, self._job.folder) if not folder.exists()), *self._made]
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise storage_error(path.parent, error) from error
        self._written.append(path)
        write_volume(node, path, compressed)
        return path.relative_to(self._job.folder).as_posix()


def write_volume(node: Any, path: Path, compressed: bool) -> None:
    """Write the voxels of a volume node; raises StorageError where that fails."""
    storage = slicer.vtkMRMLVolumeArchetypeStorageNode()
    storage.SetFileName(str(path))
    storage.SetUseCompression(compressed)
    if not storage.WriteData(_in_a_type_of_files(node)) or not path.is_file():
        raise StorageError(f"'{path}' could not be written; check free space and that you may write to the folder.")


def _in_a_type_of_files(node: Any) -> Any:
    """The node itself, or a copy with the smallest type that image files have and that holds its values.

    `updateVolumeFromArray` makes volumes of any type of numpy's, of which Slicer's writers know some alone.
    """
    image = node.GetImageData()
    if image.GetScalarType() not in _TYPES_NO_FILE_HAS:
        return node
    voxels = vtk_to_numpy(image.GetPointData().GetScalars())
    lowest, highest = int(voxels.min(initial=0)), int(voxels.max(initial=0))
    fitting = (kind for kind in (np.int16, np.int32) if np.iinfo(kind).min <= lowest and highest <= np.iinfo(kind).max)
    # Beyond, a float64 holds what matters of an intensity.
    values = voxels.astype(next(fitting, np.float64))
    written = vtkImageData()
    written.SetDimensions(image.GetDimensions())
    written.GetPointData().SetScalars(numpy_to_vtk(values, deep=True))
    copy = slicer.vtkMRMLScalarVolumeNode()
    copy.SetAndObserveImageData(written)
    lie_as(copy, node)
    return copy


def label_node(array: np.ndarray, volume: Any) -> Any:
    """A label map (k, j, i), uint8 or uint16, on the grid of a volume node; outside of any scene."""
    image = vtkImageData()
    image.SetDimensions(*reversed(array.shape))
    kind = VTK_UNSIGNED_CHAR if array.dtype == np.uint8 else VTK_UNSIGNED_SHORT
    image.GetPointData().SetScalars(numpy_to_vtk(array.ravel(), deep=True, array_type=kind))
    node = slicer.vtkMRMLLabelMapVolumeNode()
    node.SetAndObserveImageData(image)
    lie_as(node, volume)
    return node
