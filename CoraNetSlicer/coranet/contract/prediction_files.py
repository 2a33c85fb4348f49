"""The names of the files of one segmented case."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .codec import CodecError
from .doubt import CaseDoubt
from .errors import JobError, storage_error
from .files import read_json, remove_folder

_MOST_WARNINGS = 100


class PredictionFiles:
    """The files of one segmented case."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.segmentation = folder / "segmentation.nrrd"
        self.conservative = folder / "conservative.nrrd"
        self.radical = folder / "radical.nrrd"
        self.uncertain = folder / "uncertain.nrrd"
        self.uncertainty = folder / "uncertainty.nrrd"
        # Results of earlier versions have none.
        self.margin = folder / "margin.nrrd"
        self.second = folder / "second.nrrd"
        self.regions = folder / "regions.json"
        self.region_map = folder / "regions.nrrd"
        self.review = folder / "review.json"
        self.reviewed = folder / "reviewed.nrrd"
        self.known = folder / "known.nrrd"
        self.result = folder / "result.json"
        self._skip = folder / "skip"

    @property
    def missing(self) -> list[str]:
        """Names of the files that each complete case has and that are not there, as after a copy that was cut short."""
        volumes = (self.segmentation, self.conservative, self.radical, self.uncertain, self.uncertainty)
        return [path.name for path in volumes if not path.is_file()]

    def read_result(self) -> dict[str, Any]:
        """The content of result.json, which is written last: where it is, the case is complete.

        Raises:
            JobError: it is missing or damaged.
        """
        content = read_json(self.result)
        if not isinstance(content, dict):
            raise JobError(
                f"'{self.result}' must hold a JSON object, got {type(content).__name__}; segment the case again."
            )
        return content

    def warnings(self, result: Mapping[str, Any]) -> tuple[str, ...]:
        """The warnings from segmenting the case, in sentences; () of results of earlier versions.

        Args:
            result: of `read_result`.

        Raises:
            JobError: the sentences are something else.
        """
        content = result.get("warnings", [])
        if not isinstance(content, list) or not all(isinstance(warning, str) for warning in content):
            raise JobError(f"'warnings' in '{self.result}' must be a list of sentences; segment the case again.")
        return tuple(content[:_MOST_WARNINGS])

    def doubt(self, result: Mapping[str, Any]) -> CaseDoubt:
        """Whose doubt the uncertainty map is, what is promised of it, and how good the result is expected to be.

        Args:
            result: of `read_result`.

        Raises:
            JobError: one of the keys is damaged.
        """
        try:
            return CaseDoubt.of_result(result)
        except CodecError as error:
            raise JobError(f"in '{self.result}' {error}; segment the case again.") from error

    def surface(self, segment: str) -> Path:
        """The closed surface of a segment: "uncertain", or a head and a label value such as "radical-2".

        Points are voxel indices (i, j, k); not there where no surfaces were asked for.
        """
        return self.folder / "surfaces" / f"{segment}.vtp"

    def remove_surfaces(self) -> None:
        """Remove the surfaces of an earlier result."""
        remove_folder(self.folder / "surfaces")

    def request_skip(self) -> None:
        """Ask the process to leave this case out and go on with the next.

        Raises:
            StorageError: the request could not be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._skip.touch()
        except OSError as error:
            raise storage_error(self._skip, error) from error

    def withdraw_skip(self) -> None:
        """Forget the request, before the job is started again."""
        self._skip.unlink(missing_ok=True)

    def skip_requested(self) -> bool:
        """Whether the process was asked to leave this case out."""
        return self._skip.exists()
