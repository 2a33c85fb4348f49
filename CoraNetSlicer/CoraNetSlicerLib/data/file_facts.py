"""What is known of image files without reading their voxels; found a few at a time, since a folder may be far away."""

from __future__ import annotations

import filecmp
import logging
import os
import time
from collections.abc import Callable, Collection, Generator, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Optional

import slicer

from coranet.contract import ImageHeader, is_label_map, read_image_header
from coranet.contract.axis_order import axis_order
from coranet.contract.dataset_folders import value_names
from coranet.contract.errors import CoraNetError, DataError, PackageError
from coranet.contract.image_files import ending_of, is_dicom_file
from coranet.contract.image_headers import is_implausible
from coranet.contract.placement import Placement
from coranet.contract.segment_names import FileSegment, segments_of
from coranet.volume.dicom_folder import parts_in_steps
from coranet.volume.dicom_parts import require_stack
from coranet.volume.notes import noted_by

from ..core.case_volume import volume_hash_steps
from ..core.images import placement_of_file, read_image

_DIMENSIONS = 3
# Of a spacing that two formats write; and so many scans are read to see whether they are one.
_ROUNDING, _MOST_HASHED = 1e-3, 20

_LOG = logging.getLogger(__name__)


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
        placement: where its voxels lie, in RAS; None: nobody knows.
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
        """Whether its header says what its label values mean."""
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
    # What the reader does not understand is told by whoever reads the voxels.
    with suppress(DataError):
        facts = replace(facts, placement=placement_of_file(place) if is_volume else None)
    try:
        return replace(facts, segments=segments_of(path))
    except DataError as error:
        return replace(facts, problem=str(error))


def _facts_of_series(path: Path) -> Generator[None, None, FileFacts]:
    """What the headers of a DICOM series say, by the rule of the engine."""
    try:
        # What is put right is told by the engine.
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
        node = read_image(Path(path), slicer.vtkMRMLScalarVolumeNode())
        yield "image"
        return (yield from volume_hash_steps(node))
    except CoraNetError:
        return ""


def _names_in_steps(path: str) -> Generator[object, None, Mapping[int, str]]:
    """What the values of a label map may be called; all of its voxels are read."""
    yield path
    try:
        return value_names(path)
    except DataError:
        return {}


class KnownFiles:
    """Looks at files, and remembers what was found."""

    def __init__(self) -> None:
        self._known: dict[str, FileFacts] = {}
        self._copies: dict[tuple[str, str], bool] = {}
        self._under_way: dict[str, Generator[object, None, Any]] = {}
        # Of the voxels of images that may be saved twice; "" of those that cannot be read.
        self._hashes: dict[str, str] = {}
        self._names: dict[str, Mapping[int, str]] = {}

    def of(self, path: str) -> Optional[FileFacts]:
        """Facts of a file; None if nobody has looked at it yet."""
        return self._known.get(path)

    def names_of(self, path: str) -> Optional[Mapping[int, str]]:
        """What the values of a label map may be called; {}: it has none that can be read; None: nobody has looked."""
        return self._names.get(path)

    def unseen(self, paths: Iterable[str], unnamed: Collection[str] = ()) -> list[str]:
        """Those at which somebody still has to look: at all headers, at label maps that need names, at a few voxels."""
        paths = list(paths)
        unknown = [path for path in paths if path not in self._known]
        unknown = unknown or [path for path in paths if path in unnamed and path not in self._names]
        return unknown or [path for path in self._saved_in_two_formats(paths) if path not in self._hashes]

    def look_at(self, paths: Sequence[str], seconds: float, unnamed: Collection[str] = ()) -> bool:
        """Look at files that nobody has looked at yet.

        Args:
            paths: of the files.
            seconds: after which no further file, or slice of a series, is begun.
            unnamed: the label maps among them whose values need names; all of their voxels are read.

        Returns:
            Whether none is left.
        """
        end = time.monotonic() + seconds
        while unseen := self.unseen(paths, unnamed):
            if not self._look_further(unseen[0], end, unnamed):
                return False
            if time.monotonic() > end:
                break
        return not self.unseen(paths, unnamed)

    def _look_further(self, path: str, end: float, unnamed: Collection[str]) -> bool:
        """Go on with a file until a time; whether it is done."""
        known, begin, nothing = self._next_look(path, unnamed)
        steps = self._under_way.setdefault(path, begin(path))
        found: Any = None
        try:
            while True:
                next(steps)
                if time.monotonic() > end:
                    return False
        except StopIteration as stop:
            found = stop.value
        except Exception:  # noqa: BLE001 - one file that nobody understands must not hide the others
            _LOG.exception("'%s' could not be looked at", path)
        del self._under_way[path]
        known[path] = found or nothing
        return True

    def _next_look(
        self, path: str, unnamed: Collection[str]
    ) -> tuple[dict[str, Any], Callable[[str], Generator[object, None, Any]], Any]:
        """Where the result is kept, what looks, and what is known of a file that nobody understands."""
        if path not in self._known:
            return self._known, _facts_in_steps, FileFacts(exists=True)
        if path in unnamed and path not in self._names:
            return self._names, _names_in_steps, {}
        return self._hashes, _hash_in_steps, ""

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
        hashes = [self._hashes.get(path) for path in (first, second)]
        return self.are_copies(first, second) or (bool(hashes[0]) and hashes[0] == hashes[1])

    def _saved_in_two_formats(self, paths: Iterable[str]) -> list[str]:
        """Images of which another one has the same size, spacing and place in another format: they may be one scan."""
        groups: dict[Any, list[str]] = {}
        for path in dict.fromkeys(paths):
            facts = self._known.get(path)
            if facts is not None and facts.header is not None and not facts.is_label_map and not facts.segments:
                groups.setdefault(tuple(sorted(facts.header.size_ijk)), []).append(path)
        # Many of one size are registered to one another; whether two of them are one scan is told by the training.
        few = [group for group in groups.values() if len(group) <= _MOST_HASHED and len(set(map(ending_of, group))) > 1]
        return [path for group in few for path in group if any(self._may_be(path, other) for other in group)]

    def _may_be(self, first: str, second: str) -> bool:
        if ending_of(first) == ending_of(second):
            return False
        spacings = [
            sorted(facts.header.spacing_mm) for facts in (self._known[first], self._known[second]) if facts.header
        ]
        known = [self._known[path].placement for path in (first, second)]
        is_near = all(abs(one - other) <= _ROUNDING * other for one, other in zip(*spacings, strict=True))
        # Of DICOM the place is not known here.
        return is_near and (known[0] is None or known[1] is None or axis_order(known[0], known[1]) is not None)

    def forget(self) -> None:
        """Forget all, to look at them anew."""
        self._known.clear()
        self._copies.clear()
        self._under_way.clear()
        self._hashes.clear()
        self._names.clear()
