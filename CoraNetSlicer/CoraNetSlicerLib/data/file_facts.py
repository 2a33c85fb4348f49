"""What is known of image files without reading their voxels; found a few at a time, since a folder may be far away."""

from __future__ import annotations

import filecmp
import logging
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Optional

from coranet.contract import ImageHeader, is_label_map, read_image_header

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class FileFacts:
    """What is known of a file.

    Attributes:
        exists: whether it is there.
        header: size and spacing; None: it has none that is understood.
        length: bytes; 0 for what is not there, and for a folder.
        is_label_map: whether it holds labels, not an image.
    """

    exists: bool
    header: Optional[ImageHeader] = None
    length: int = 0
    is_label_map: bool = False


def _facts_of(path: str) -> FileFacts:
    length = os.path.getsize(path) if os.path.isfile(path) else 0
    return FileFacts(os.path.exists(path), read_image_header(path), length, is_label_map(path))


class KnownFiles:
    """Looks at files, and remembers what was found."""

    def __init__(self) -> None:
        self._known: dict[str, FileFacts] = {}
        self._copies: dict[tuple[str, str], bool] = {}

    def of(self, path: str) -> Optional[FileFacts]:
        """Facts of a file; None if nobody has looked at it yet."""
        return self._known.get(path)

    def unseen(self, paths: Iterable[str]) -> list[str]:
        """Those that nobody has looked at yet."""
        return [path for path in paths if path not in self._known]

    def look_at(self, paths: Iterable[str], seconds: float) -> bool:
        """Look at files that nobody has looked at yet.

        Args:
            paths: of the files.
            seconds: after which no further file is begun.

        Returns:
            Whether none is left.
        """
        end = time.monotonic() + seconds
        for path in self.unseen(paths):
            if time.monotonic() > end:
                return False
            try:
                self._known[path] = _facts_of(path)
            except Exception:  # noqa: BLE001 - one file that nobody understands must not hide the others
                _LOG.exception("'%s' could not be looked at", path)
                self._known[path] = FileFacts(exists=True)
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

    def forget(self) -> None:
        """Forget all, to look at them anew."""
        self._known.clear()
        self._copies.clear()
