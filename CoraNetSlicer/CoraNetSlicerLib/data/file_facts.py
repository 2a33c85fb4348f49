"""What is known of image files without reading their voxels; found a few at a time, since a folder may be far away."""

from __future__ import annotations

import filecmp
import logging
import os
import time
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from coranet.contract import ImageHeader, is_label_map, read_image_header
from coranet.contract.errors import DataError, PackageError
from coranet.contract.image_files import is_dicom_file
from coranet.volume.dicom_folder import parts_in_steps
from coranet.volume.dicom_parts import require_stack
from coranet.volume.notes import noted_by

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
    """

    exists: bool
    header: Optional[ImageHeader] = None
    length: int = 0
    is_label_map: bool = False
    images: tuple[str, ...] = ()
    problem: str = ""


def _facts_in_steps(path: str) -> Generator[None, None, FileFacts]:
    """Facts of a file or folder, in steps of a slice where it is of DICOM."""
    place = Path(path)
    if place.is_dir() or is_dicom_file(place):
        return (yield from _facts_of_series(place))
    length = os.path.getsize(path) if os.path.isfile(path) else 0
    return FileFacts(os.path.exists(path), read_image_header(path), length, is_label_map(path))


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


class KnownFiles:
    """Looks at files, and remembers what was found."""

    def __init__(self) -> None:
        self._known: dict[str, FileFacts] = {}
        self._copies: dict[tuple[str, str], bool] = {}
        self._under_way: dict[str, Generator[None, None, FileFacts]] = {}

    def of(self, path: str) -> Optional[FileFacts]:
        """Facts of a file; None if nobody has looked at it yet."""
        return self._known.get(path)

    def unseen(self, paths: Iterable[str]) -> list[str]:
        """Those that nobody has looked at yet."""
        return [path for path in paths if path not in self._known]

    def look_at(self, paths: Sequence[str], seconds: float) -> bool:
        """Look at files that nobody has looked at yet.

        Args:
            paths: of the files.
            seconds: after which no further file, or slice of a series, is begun.

        Returns:
            Whether none is left.
        """
        end = time.monotonic() + seconds
        for path in self.unseen(paths):
            steps = self._under_way.setdefault(path, _facts_in_steps(path))
            try:
                while True:
                    next(steps)
                    if time.monotonic() > end:
                        return False
            except StopIteration as found:
                self._known[path] = found.value
            except Exception:  # noqa: BLE001 - one file that nobody understands must not hide the others
                _LOG.exception("'%s' could not be looked at", path)
                self._known[path] = FileFacts(exists=True)
            del self._under_way[path]
            if time.monotonic() > end:
                break
        return not self.unseen(paths)

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

    def forget(self) -> None:
        """Forget all, to look at them anew."""
        self._known.clear()
        self._copies.clear()
        self._under_way.clear()
