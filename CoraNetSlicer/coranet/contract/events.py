"""The events of a job: typed, one JSON object a line, appended to a file that many may read."""

from __future__ import annotations

import json
import math
import os
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Optional

from .codec import CodecError, from_json, to_json
from .config.json_text import parse_json
from .errors import JobError, storage_error

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Event:
    """Base of all events. `time` is seconds since 1970; it is set by the writer."""

    type: ClassVar[str] = ""
    is_final: ClassVar[bool] = False
    time: float = field(default=0.0, init=False)


@dataclass(frozen=True)
class Started(Event):
    """The process has begun (or, at a step above 0, taken up again) its work."""

    type: ClassVar[str] = "started"
    step: int
    total_steps: int
    device: str
    version: str


@dataclass(frozen=True)
class Progress(Event):
    """Work done so far. `seconds_left` is None as long as it cannot be estimated.

    `part` is the share of the next step that is done, 0 to 1, where a step takes long: a case that is segmented.
    """

    type: ClassVar[str] = "progress"
    phase: str
    step: int
    total_steps: int
    seconds_left: Optional[float] = None
    part: float = 0.0

    @property
    def share(self) -> Optional[float]:
        """Share of all steps that is done, 0 to 1; None where there are none."""
        return min(1.0, (self.step + self.part) / self.total_steps) if self.total_steps else None


@dataclass(frozen=True)
class Losses(Event):
    """Losses of one training step, before weighting; `uncertain_share` is the flagged share of unlabeled voxels."""

    type: ClassVar[str] = "losses"
    step: int
    phase: str
    total: float
    supervised: float
    certain: float = 0.0
    uncertain: float = 0.0
    uncertain_share: float = 0.0
    learning_rate: float = 0.0


@dataclass(frozen=True)
class PaceMeasured(Event):
    """How long the parts of a training take on this machine, in seconds: of a dry run of one with numbers of steps.

    Attributes:
        device: where it computes.
        case: to read and prepare one case.
        pretraining, self_training: one step of each stage.
        whole_scan: to segment a whole scan, as for a validation case or a snapshot.
        validation_cases: how many cases validate.
        error_model_share: share of the whole training that its error model takes; 0: it has none.
    """

    type: ClassVar[str] = "pace"
    device: str
    case: float
    pretraining: float
    self_training: float
    whole_scan: float
    validation_cases: int = 0
    error_model_share: float = 0.0


@dataclass(frozen=True)
class Validation(Event):
    """Dice on the validation cases, per class name and mean over classes; None where a class has no voxel at all."""

    type: ClassVar[str] = "validation"
    step: int
    dice: dict[str, Optional[float]]
    mean_dice: float
    is_best: bool


@dataclass(frozen=True)
class Warned(Event):
    """Something the user should know, in words. `code` is for programs and does not change."""

    type: ClassVar[str] = "warning"
    code: str
    message: str


@dataclass(frozen=True)
class Noted(Event):
    """Something that was decided for the user, or measured, in words. `code` is for programs and does not change."""

    type: ClassVar[str] = "note"
    code: str
    message: str


@dataclass(frozen=True)
class CheckpointSaved(Event):
    """Everything up to `step` is safe on disk."""

    type: ClassVar[str] = "checkpoint"
    step: int


@dataclass(frozen=True)
class SnapshotSaved(Event):
    """The certain and uncertain region of an unlabeled case at `step`; `file` is relative to the job folder."""

    type: ClassVar[str] = "snapshot"
    UNCERTAIN: ClassVar[int] = 255  # in the file; certain voxels have the index of their class, 0 is background
    step: int
    case: str
    file: str
    uncertain_share: float


@dataclass(frozen=True)
class CaseDone(Event):
    """One case was segmented; its files are complete in the folder `case` of the predictions."""

    type: ClassVar[str] = "case"
    case: str
    number: int
    total: int
    seconds: float


@dataclass(frozen=True)
class CaseFailed(Event):
    """One case could not be segmented; the others go on."""

    type: ClassVar[str] = "case_failed"
    case: str
    message: str


@dataclass(frozen=True)
class CaseSkipped(Event):
    """One case was left out because somebody asked for that; the others go on."""

    type: ClassVar[str] = "case_skipped"
    case: str


@dataclass(frozen=True)
class Finished(Event):
    """The job is complete. `message` says in a sentence what came out, `output` is the folder where it is, if any."""

    type: ClassVar[str] = "finished"
    is_final: ClassVar[bool] = True
    message: str
    seconds: float
    output: str = ""


@dataclass(frozen=True)
class Failed(Event):
    """The job ended with an error; `message` is the sentence for the user, details are in the log."""

    type: ClassVar[str] = "failed"
    is_final: ClassVar[bool] = True
    message: str


@dataclass(frozen=True)
class Cancelled(Event):
    """The job stopped on request after `step`; it can be resumed."""

    type: ClassVar[str] = "cancelled"
    is_final: ClassVar[bool] = True
    step: int


EVENT_TYPES: dict[str, type[Event]] = {
    kind.type: kind
    for kind in (
        Started, Progress, Losses, PaceMeasured, Validation, Warned, Noted, CheckpointSaved, SnapshotSaved, CaseDone,
        CaseFailed, CaseSkipped, Finished, Failed, Cancelled,
    )
}  # fmt: skip


class EventWriter:
    """Appends events to a file, each line flushed at once so that a reader sees it."""

    def __init__(self, path: str | Path, clock: Callable[[], float] = time.time) -> None:
        """Open `path` for appending; a half-written last line that a killed process left is cut off.

        Args:
            path: the events file; made if absent.
            clock: gives seconds since 1970.

        Raises:
            StorageError: the file cannot be written.
        """
        self._path = Path(path)
        self._clock = clock
        try:
            self._cut_half_written_line()
            self._file = open(self._path, "a", encoding="utf-8", newline="\n")  # noqa: SIM115 - lives as long as the job
        except OSError as error:
            raise storage_error(self._path, error) from error

    def write(self, event: Event) -> Event:
        """Append one event, stamped with the time. Returns the stamped event.

        A number that JSON has not (NaN, infinity) is `null` where there may be none; else the event is not written:
        reporting must not end the work.
        """
        object.__setattr__(event, "time", self._clock())
        content = _finite(to_dict(event))
        try:
            from_json(type(event), content)
        except CodecError:
            return event
        try:
            self._file.write(json_text(content) + "\n")
            self._file.flush()
        except OSError as error:
            raise storage_error(self._path, error) from error
        return event

    def close(self) -> None:
        """Flush to the disk and close."""
        try:
            os.fsync(self._file.fileno())
            self._file.close()
        except OSError as error:
            raise storage_error(self._path, error) from error

    def _cut_half_written_line(self) -> None:
        content = self._path.read_bytes() if self._path.exists() else b""
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            os.truncate(self._path, whole)


class EventReader:
    """Reads a growing events file piece by piece; never blocks and never sees half a line."""

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._offset = 0

    def read_new(self) -> list[Event]:
        """The events that were completed since the last call; none if the file is not there yet.

        Events of an unknown type, from a later version, are passed over.

        Raises:
            JobError: a complete line is no event; the message names file and line. What stands before it was returned
                by the call before, what stands after it comes with the next. Or the file cannot be read now.
        """
        try:
            with open(self._path, "rb") as file:
                file.seek(self._offset)
                content = file.read()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise JobError(
                f"'{self._path}' cannot be read ({error.strerror or error}); CoraNet tries again."
            ) from error
        events: list[Event] = []
        for line in content[: content.rfind(b"\n") + 1].splitlines(keepends=True):
            try:
                event = event_of_line(line, self._path) if line.strip() else None
            except JobError:
                if events:
                    return events
                self._offset += len(line)
                raise
            self._offset += len(line)
            if event is not None:
                events.append(event)
        return events


def read_events(path: str | Path) -> list[Event]:
    """All complete events of a file, in order; an absent file has none.

    Raises:
        JobError: a complete line is no event, or the file cannot be read.
    """
    reader, events = EventReader(path), []
    while new := reader.read_new():
        events += new
    return events


def without_superseded(events: Iterable[Event]) -> list[Event]:
    """The events of one uninterrupted run: what a resumed run did again is dropped from the run before.

    A process that was killed at step 137 resumes from the checkpoint of step 120; its `Started` has that step, and
    the steps 121 to 137 are written a second time.
    """
    current: list[Event] = []
    for event in events:
        if isinstance(event, Started):
            current = [old for old in current if not getattr(old, "step", 0) > event.step and not old.is_final]
        current.append(event)
    return current


def to_dict(event: Event) -> dict[str, Any]:
    """The JSON object of an event: type and time first."""
    return {"type": event.type, "time": event.time, **to_json(event)}


def from_dict(content: Mapping[str, Any]) -> Event:
    """The event of a JSON object; keys that this program does not know are passed over: a later version wrote them.

    Raises:
        KeyError, ValueError: the type is unknown, a key is missing, or a value is of another type.
    """
    event = from_json(EVENT_TYPES[content["type"]], content)
    object.__setattr__(event, "time", from_json(float, content["time"], "time"))
    return event


def is_of_a_later_version(content: Any) -> bool:
    """Whether a JSON object is an event of a type that this program does not know."""
    kind = content.get("type") if isinstance(content, dict) else None
    return isinstance(kind, str) and "time" in content and kind not in EVENT_TYPES


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(part) for key, part in value.items()}
    return value


def json_text(content: Any, indent: Optional[int] = None) -> str:
    """JSON that can be written as UTF-8 whatever the names in it.

    Python has the bytes of a name that is not UTF-8 as lone surrogates (PEP 383). UTF-8 has none, but JSON has an
    escape for them, which readers turn into the same name again.

    Raises:
        ValueError: a number is NaN or infinite.
    """
    text = json.dumps(content, indent=indent, ensure_ascii=False, allow_nan=False)
    return _LONE_SURROGATE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def duration(seconds: float) -> str:
    """A time span for people: "8 s", "4 min", "2 h 5 min"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def event_of_line(line: bytes, path: str | Path) -> Optional[Event]:
    """The event of a line of a file; None: of a type that only a later version knows.

    Raises:
        JobError: it is no event of this version.
    """
    try:
        content = parse_json(line.decode("utf-8"))
        return None if is_of_a_later_version(content) else from_dict(content)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        shown = line[:80].decode("utf-8", errors="replace").rstrip()
        raise JobError(
            f"'{path}' has a line that is not an event of this version ({type(error).__name__}: {error}): {shown}"
        ) from error
