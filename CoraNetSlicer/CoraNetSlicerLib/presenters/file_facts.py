"""What is known of image files without reading their voxels; found a few at a time, since a folder may be far away."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Optional

from coranet.job import ImageHeader, read_image_header


@dataclass(frozen=True)
class FileFacts:
    """What is known of a file.

    Attributes:
        exists: whether it is there.
        header: size and spacing; None: it has none that is understood.
    """

    exists: bool
    header: Optional[ImageHeader] = None


class KnownFiles:
    """Looks at files, and remembers what was found."""

    def __init__(self) -> None:
        self._known: dict[str, FileFacts] = {}

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
            self._known[path] = FileFacts(os.path.exists(path), read_image_header(path))
        return True

    def forget(self) -> None:
        """Forget all, to look at them anew."""
        self._known.clear()
