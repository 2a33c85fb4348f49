"""What the checks of cases know: of nodes from a sample of voxels, of files without reading them; remembered."""

from __future__ import annotations

import filecmp
import hashlib
import logging
import os
import time
from collections.abc import Callable, Collection, Generator, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Optional, TypeVar

import numpy as np
from vtkmodules.util.numpy_support import vtk_to_numpy

from coranet.contract import ImageHeader, is_label_map, read_image_header
from coranet.contract.axis_order import axis_order
from coranet.contract.dataset_folders import value_names
from coranet.contract.errors import CoraNetError, DataError, PackageError
from coranet.contract.image_files import ending_of, is_dicom_file
from coranet.contract.image_headers import is_implausible
from coranet.contract.label_maps import are_of_label_map
from coranet.contract.placement import Placement
from coranet.contract.segment_names import FileSegment
from coranet.contract.segment_names import segments_of as segments_of_file
from coranet.volume.dicom_folder import parts_in_steps
from coranet.volume.dicom_parts import require_stack
from coranet.volume.notes import noted_by

from ..core.case_images import require_usable_volume
from ..core.case_volume import file_hash_steps
from ..core.images import placement_of_file
from ..core.segment_classes import BINARY_LABELMAP, first_labelmap, is_empty_segment, segments_of

# Enough for percentiles, little enough for an event loop: under a millisecond where the voxels are in memory.
_SAMPLED_VOXELS = 4000
# Enough to know a volume to a tenth, as long as so many of them lie in it.
_SAMPLED_FOR_VOLUME, _ENOUGH_HITS = 100_000, 100
_Facts = TypeVar("_Facts")
_DIMENSIONS = 3
# Of a spacing that two formats write; and so many scans are read to see whether they are one.
_ROUNDING, _MOST_HASHED = 1e-3, 20

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class VolumeFacts:
    """What is known of a volume.

    Attributes:
        problem: why it cannot be used, in a sentence; "": it can, and only then the others have a meaning.
        size_ijk: voxels.
        spacing_mm: along i, j, k.
        low: 2nd percentile of a sample of its voxels, NaN left out.
        median: 50th percentile.
        high: 98th percentile.
        lowest: of the sample.
        digest: equal for equal images; different images may rarely share one.
        file: path of the file it was loaded from or saved to; "" without one.
        is_label_map: whether the sample has few values, whole numbers, of which most are 0.
    """

    problem: str = ""
    size_ijk: tuple[int, ...] = ()
    spacing_mm: tuple[float, ...] = ()
    low: float = 0.0
    median: float = 0.0
    high: float = 0.0
    lowest: float = 0.0
    digest: str = ""
    file: str = ""
    is_label_map: bool = False


@dataclass(frozen=True)
class SegmentationFacts:
    """What is known of a segmentation.

    Attributes:
        empty: names of the segments without a voxel.
        spacing_mm: of its voxels along i, j, k; () if it has none.
        volumes_ml: by name, about, of the segments that have voxels.
    """

    empty: tuple[str, ...] = ()
    spacing_mm: tuple[float, ...] = ()
    volumes_ml: Mapping[str, float] = field(default_factory=dict)


class NodeFacts:
    """Finds facts of nodes, and remembers them for as long as a node does not change."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Any, Any]] = {}
        self._same: dict[tuple[str, str, str], bool] = {}

    def of_volume(self, node: Any) -> VolumeFacts:
        """Facts of a volume node."""
        image = node.GetImageData()
        stamp = (node.GetMTime(), image.GetMTime() if image is not None else 0)
        return self._remembered(node, stamp, _volume_facts)

    def of_segmentation(self, node: Any) -> SegmentationFacts:
        """Facts of a segmentation node."""
        segments = segments_of(node)
        labelmaps = [segment.GetRepresentation(BINARY_LABELMAP) for segment in segments]
        stamp = (
            node.GetSegmentation().GetMTime(),
            tuple(segment.GetMTime() for segment in segments),
            tuple(labelmap.GetMTime() for labelmap in labelmaps if labelmap is not None),
            _transform_time(node),
        )
        return self._remembered(node, stamp, _segmentation_facts)

    def are_same_image(self, first: Any, second: Any) -> bool:
        """Whether two volumes hold the same voxels; all are compared, once, where a sample is the same."""
        digest = self.of_volume(first).digest
        if not digest or digest != self.of_volume(second).digest:
            return False
        key = (first.GetID(), second.GetID(), digest)
        if key not in self._same:
            self._same[key] = bool(np.array_equal(_voxels(first), _voxels(second)))
        return self._same[key]

    def forget(self) -> None:
        """Forget all nodes: those of a scene that was closed."""
        self._known.clear()
        self._same.clear()

    def _remembered(self, node: Any, stamp: Any, find: Callable[[Any], _Facts]) -> _Facts:
        known = self._known.get(node.GetID())
        if known is None or known[0] != (id(node), stamp):
            known = ((id(node), stamp), find(node))
            self._known[node.GetID()] = known
        facts: _Facts = known[1]
        return facts


def looks_like_labels(voxels: np.ndarray) -> bool:
    """Whether a sample of the voxels of a volume has few values, whole numbers, and most are background."""
    values, counts = np.unique(voxels, return_counts=True)
    are_whole = bool((values == np.rint(values)).all())
    return are_whole and are_of_label_map(values.tolist(), int(counts[0]), voxels.size)


def _volume_facts(node: Any) -> VolumeFacts:
    try:
        require_usable_volume(node)
    except DataError as error:
        return VolumeFacts(problem=str(error))
    voxels = _voxels(node)
    size = tuple(int(part) for part in node.GetImageData().GetDimensions())
    sample = np.ascontiguousarray(voxels[:: _step(voxels.size)])
    finite = sample[np.isfinite(sample)]
    low, median, high, lowest = np.percentile(finite, [2, 50, 98, 0]).tolist() if finite.size else [0.0] * 4
    content = hashlib.sha256(repr((size, str(voxels.dtype))).encode() + sample.tobytes())
    return VolumeFacts(
        size_ijk=size,
        spacing_mm=tuple(node.GetSpacing()),
        low=low,
        median=median,
        high=high,
        lowest=lowest,
        digest=content.hexdigest(),
        file=_file_of(node),
        is_label_map=looks_like_labels(sample),
    )


def _segmentation_facts(node: Any) -> SegmentationFacts:
    empty = tuple(str(segment.GetName()) for segment in segments_of(node) if is_empty_segment(segment))
    labelmap = first_labelmap(node)
    spacing = tuple(labelmap.GetSpacing()) if labelmap is not None else ()
    volumes = {str(segment.GetName()): _about_ml(segment) for segment in segments_of(node)}
    return SegmentationFacts(empty, spacing, {name: ml for name, ml in volumes.items() if ml})


def _about_ml(segment: Any) -> float:
    """The volume of a segment, of large ones from a sample; 0 where it has no voxels."""
    labelmap = segment.GetRepresentation(BINARY_LABELMAP)
    scalars = labelmap.GetPointData().GetScalars() if labelmap is not None and labelmap.GetNumberOfPoints() else None
    if scalars is None:
        return 0.0
    voxels, value = vtk_to_numpy(scalars), segment.GetLabelValue()
    step = (voxels.size // _SAMPLED_FOR_VOLUME) | 1
    count = int(np.count_nonzero(voxels[::step] == value)) * step
    if count < _ENOUGH_HITS * step and step > 1:
        count = int(np.count_nonzero(voxels == value))
    return float(count * np.prod(labelmap.GetSpacing())) / 1000.0


def _voxels(node: Any) -> np.ndarray:
    voxels: np.ndarray = vtk_to_numpy(node.GetImageData().GetPointData().GetScalars())
    return voxels


def _step(voxels: int) -> int:
    # Odd, so that it does not run down one column of an image whose rows are a power of two long.
    return (voxels // _SAMPLED_VOXELS) | 1


def _transform_time(node: Any) -> int:
    transform = node.GetParentTransformNode()
    return int(transform.GetMTime()) if transform is not None else 0


def _file_of(node: Any) -> str:
    storage = node.GetStorageNode()
    return str(storage.GetFileName() or "") if storage is not None else ""


@dataclass(frozen=True)
class FileFacts:
    """What is known of a file.

    Attributes:
        exists: whether it is there.
        header: size and spacing; None: it has none that is understood.
        length: bytes; 0 for what is not there, and for a folder.
        is_label_map: whether it holds labels, not an image.
        images: names of the images of a DICOM series, each with the number of its slices; () of other files.
        problem: why it cannot be used, in a sentence; "": nothing is known against it.
        placement: where its voxels lie, in RAS; None: unknown.
        segments: what its header names, as that of a .seg.nrrd does.
    """

    exists: bool
    header: Optional[ImageHeader] = None
    length: int = 0
    is_label_map: bool = False
    images: tuple[str, ...] = ()
    problem: str = ""
    placement: Optional[Placement] = None
    segments: tuple[FileSegment, ...] = ()

    @property
    def names_itself(self) -> bool:
        """Whether its header names its label values."""
        return any(segment.name for segment in self.segments)


def _facts_in_steps(path: str) -> Generator[None, None, FileFacts]:
    """Facts of a file or folder, in steps of a slice where it is of DICOM."""
    place = Path(path)
    if place.is_dir() or is_dicom_file(place):
        return (yield from _facts_of_series(place))
    length = os.path.getsize(path) if os.path.isfile(path) else 0
    header = read_image_header(path)
    is_volume = header is not None and len(header.size_ijk) == _DIMENSIONS and not is_implausible(path)
    facts = FileFacts(os.path.exists(path), header, length, is_label_map(path))
    # The reader of the voxels reports what it cannot read.
    with suppress(DataError):
        facts = replace(facts, placement=placement_of_file(place) if is_volume else None)
    try:
        return replace(facts, segments=segments_of_file(path))
    except DataError as error:
        return replace(facts, problem=str(error))


def _facts_of_series(path: Path) -> Generator[None, None, FileFacts]:
    """What the headers of a DICOM series say, by the rule of the engine."""
    try:
        # The engine reports corrections.
        with noted_by(lambda sentence: None):
            parts = yield from parts_in_steps(path)
        grid = require_stack(path, parts[0]) if len(parts) == 1 else None
    except DataError as error:
        return FileFacts(exists=True, problem=str(error))
    except PackageError:
        return FileFacts(exists=True)
    images = tuple(f"{part.name or path.name} ({len(part.slices)} slices)" for part in parts)
    header = ImageHeader(grid.size_ijk, grid.spacing_mm) if grid is not None else None
    return FileFacts(exists=True, header=header, images=images)


def _hash_in_steps(path: str) -> Generator[object, None, str]:
    """The hash of a scan's voxels, by which the engine knows it, in steps of a plane; "" where it cannot be read."""
    try:
        return (yield from file_hash_steps(Path(path)))
    except CoraNetError:
        return ""


def _names_in_steps(path: str) -> Generator[object, None, Mapping[int, str]]:
    """What the values of a label map may be called; all of its voxels are read."""
    yield path
    try:
        return value_names(path)
    except DataError:
        return {}


_Look = Callable[[str], Generator[object, None, Any]]
# What is known of a file that cannot be looked at in this way.
_UNKNOWN: dict[_Look, Any] = {_facts_in_steps: FileFacts(exists=True), _names_in_steps: {}, _hash_in_steps: ""}


class KnownFiles:
    """Looks at files, and remembers what was found."""

    def __init__(self) -> None:
        self._known: dict[tuple[_Look, str], Any] = {}
        self._copies: dict[tuple[str, str], bool] = {}
        self._under_way: dict[tuple[_Look, str], Generator[object, None, Any]] = {}

    def of(self, path: str) -> Optional[FileFacts]:
        """Facts of a file; None if it was not read yet."""
        return self._known.get((_facts_in_steps, path))

    def names_of(self, path: str) -> Optional[Mapping[int, str]]:
        """What the values of a label map may be called; {}: it has none that can be read; None: not read yet."""
        return self._known.get((_names_in_steps, path))

    def unseen(self, paths: Iterable[str], unnamed: Collection[str] = ()) -> list[tuple[_Look, str]]:
        """How to look at what is still to be read: all headers, label maps that need names, a few voxels."""
        paths = list(paths)
        looks: list[tuple[_Look, str]] = [(_facts_in_steps, path) for path in paths]
        looks += [(_names_in_steps, path) for path in paths if path in unnamed]
        unseen = [look for look in looks if look not in self._known]
        hashes = [(_hash_in_steps, path) for path in ([] if unseen else self._saved_in_two_formats(paths))]
        return unseen or [look for look in hashes if look not in self._known]

    def look_at(self, paths: Sequence[str], seconds: float, unnamed: Collection[str] = ()) -> bool:
        """Look at files that were not read yet.

        Args:
            paths: of the files.
            seconds: after which no further file, or slice of a series, is read.
            unnamed: the label maps among them whose values need names; all of their voxels are read.

        Returns:
            Whether none is left.
        """
        end = time.monotonic() + seconds
        while unseen := self.unseen(paths, unnamed):
            if not self._look_further(*unseen[0], end):
                return False
            if time.monotonic() > end:
                break
        return not self.unseen(paths, unnamed)

    def _look_further(self, look: _Look, path: str, end: float) -> bool:
        """Go on with a file until a time; whether it is done."""
        steps = self._under_way.setdefault((look, path), look(path))
        facts: Any = None
        try:
            while True:
                next(steps)
                if time.monotonic() > end:
                    return False
        except StopIteration as stop:
            facts = stop.value
        except Exception:  # noqa: BLE001 - one unreadable file must not hide the others
            _LOG.exception("'%s' could not be inspected", path)
        del self._under_way[look, path]
        self._known[look, path] = facts or _UNKNOWN[look]
        return True

    def are_copies(self, first: str, second: str) -> bool:
        """Whether two files that were looked at hold the same bytes; compared once, up to the first difference."""
        lengths = [facts.length for facts in map(self.of, (first, second)) if facts is not None]
        if len(lengths) < 2 or lengths[0] != lengths[1] or not lengths[0]:
            return False
        key = (first, second)
        if key not in self._copies:
            try:
                self._copies[key] = filecmp.cmp(first, second, shallow=False)
            except OSError:
                return False  # it has gone in the meantime
        return self._copies[key]

    def are_same_scan(self, first: str, second: str) -> bool:
        """Whether two files that were looked at hold one scan: the same bytes, or the same voxels in two formats."""
        hashes = [self._known.get((_hash_in_steps, path)) for path in (first, second)]
        return self.are_copies(first, second) or (bool(hashes[0]) and hashes[0] == hashes[1])

    def _saved_in_two_formats(self, paths: Iterable[str]) -> list[str]:
        """Images of which another one has the same size, spacing and place in another format: they may be one scan."""
        groups: dict[Any, list[str]] = {}
        for path in dict.fromkeys(paths):
            facts = self.of(path)
            if facts is not None and facts.header is not None and not facts.is_label_map and not facts.segments:
                groups.setdefault(tuple(sorted(facts.header.size_ijk)), []).append(path)
        # Many of one size are registered to one another; the training reports whether two of them are one scan.
        small = [
            group for group in groups.values() if len(group) <= _MOST_HASHED and len(set(map(ending_of, group))) > 1
        ]
        return [path for group in small for path in group if any(self._may_be(path, other) for other in group)]

    def _may_be(self, first: str, second: str) -> bool:
        known = [facts for facts in map(self.of, (first, second)) if facts is not None]
        if ending_of(first) == ending_of(second):
            return False
        spacings = [sorted(facts.header.spacing_mm) for facts in known if facts.header]
        is_near = all(abs(step - other) <= _ROUNDING * other for step, other in zip(*spacings, strict=True))
        # Of DICOM the place is not known here.
        places = [facts.placement for facts in known if facts.placement is not None]
        return is_near and (len(places) < 2 or axis_order(places[0], places[1]) is not None)

    def forget(self) -> None:
        """Forget all, to look at them anew."""
        self._known.clear()
        self._copies.clear()
        self._under_way.clear()
