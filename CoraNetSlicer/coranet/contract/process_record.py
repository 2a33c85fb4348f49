"""process.json: who works on a job, and how one process at a time comes to do so."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Optional

from .codec import to_json
from .errors import JobError, JobTakenError, StorageError, storage_error
from .event_tail import read_last_event, whole_length
from .files import read_json, write_json_atomic
from .heartbeat import OTHERS, SIGN_OF_LIFE_S, SILENCE_S, HeartbeatWatch
from .process import START_TOLERANCE_S, ProcessIdentity, is_alive

_CLAIM = ".claim-"
_LOOK_AGAIN_S = 0.05
# A claim takes milliseconds; on a network folder that hangs, at most this time.
_PATIENCE_S = 30.0

Report = Callable[[str], object]


class ProcessRecord:
    """The process of a job, by the files of the job alone."""

    def __init__(self, folder: Path, events_path: Path, watch: HeartbeatWatch = OTHERS) -> None:
        """Look at a job's folder.

        Args:
            folder: of the job.
            events_path: its events.
            watch: what was seen of heartbeats so far.
        """
        self.path = folder / "process.json"
        self._folder = folder
        self._events_path = events_path
        self._watch = watch

    def read(self) -> Optional[dict[str, Any]]:
        """What is written of the last process that claimed the job; None before the first.

        Raises:
            JobError: it cannot be read, or lacks a key.
        """
        if not self.path.exists():
            return None
        content = read_json(self.path)
        try:
            ProcessIdentity.from_dict(content)
            float(content["heartbeat"])
            if content.get("events_before") is not None:
                int(content["events_before"])
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise JobError(
                f"'{self.path}' must have the keys pid, host, started and heartbeat ({type(error).__name__}: {error}); "
                "remove it if no process works on the job."
            ) from None
        return dict(content)

    def beat(self, me: ProcessIdentity) -> None:
        """Write down that a process works on the job and lives; makes no folder that is gone.

        Raises:
            StorageError: it cannot be written.
        """
        self._beat(me, self.read())

    def _beat(self, me: ProcessIdentity, current: Optional[Mapping[str, Any]]) -> None:
        if not self._folder.is_dir():
            raise StorageError(f"the folder '{self._folder}' is gone; put it back, or start a new job.")
        is_own = current is not None and ProcessIdentity.from_dict(current) == me
        self._write(me, current if is_own and current is not None else self._new_claim(_number(current) + 1))

    def renew(self, me: ProcessIdentity) -> None:
        """As `beat`, but never takes the job from another process.

        Raises:
            JobTakenError: one has claimed it since `me` did, as one may that has long seen no sign of it.
            JobError: that cannot be read now.
            StorageError: it cannot be written.
        """
        current = self.read()
        if current is not None and ProcessIdentity.from_dict(current) != me:
            raise JobTakenError(f"another process has taken over the job in '{self._folder}'; this one ends.")
        self._beat(me, current)

    def is_working(self, process: Mapping[str, Any]) -> bool:
        """Whether the process of a record works on the job now."""
        identity = ProcessIdentity.from_dict(process)
        if identity.is_local:
            return is_alive(identity)
        return not self._has_ended(process) and self._silence_s(process) < SILENCE_S

    def has_reported(self, process: Mapping[str, Any]) -> bool:
        """Whether the process of a record has written any event: the last event may be that of an earlier process."""
        before = process.get("events_before")
        if before is not None:
            return whole_length(self._events_path) > int(before)
        last = read_last_event(self._events_path)
        return last is not None and last.time >= float(process["started"]) - START_TOLERANCE_S

    def claim(self, report: Report = lambda text: None) -> ProcessIdentity:
        """Make the calling process the one that works on the job; of several that try at once, one alone.

        Args:
            report: is given a sentence where it takes long.

        Raises:
            JobError: another process works on the job.
            StorageError: the folder cannot be written.
        """
        me = ProcessIdentity.of_this_process()
        until = time.monotonic() + _PATIENCE_S
        while True:
            current = self.read()
            if current is not None:
                if ProcessIdentity.from_dict(current) == me:
                    self.beat(me)
                    return me
                self._require_free(current, report)
            if self._wins(me, _number(current), time.monotonic() > until):
                return me
            time.sleep(_LOOK_AGAIN_S)

    @contextmanager
    def reserved(self) -> Iterator[None]:
        """Inside, no other process can make a job in the folder.

        Raises:
            JobError: another one does so.
            StorageError: the folder cannot be written.
        """
        own = self._reserve(ProcessIdentity.of_this_process(), 1, False)
        if own is None:
            raise JobError(f"another process is making a job in '{self._folder}'; choose another folder.")
        try:
            yield
            self._clear(below=_number_of(own))
        finally:
            with suppress(OSError):
                own.unlink()

    # -- who works ---------------------------------------------------------------------------------------------------

    def _require_free(self, process: Mapping[str, Any], report: Report) -> None:
        """Raise if the process of a record works on the job; watches one of another machine until that is sure."""
        if not self.is_working(process) and not self._is_doubtful(process):
            return
        if self._is_doubtful(process):
            self._watch_others(process, report)
            current = self.read()
            if current is None or not self.is_working(current):
                return
            process = current
        raise JobError(
            f"'{self._folder}' is in use by process {process['pid']} on '{process['host']}'; "
            "wait for it or stop it first."
        )

    def _is_doubtful(self, process: Mapping[str, Any]) -> bool:
        """Whether only two clocks that may differ say whether a process of another machine lives."""
        if process["host"] == socket.gethostname() or self._has_ended(process):
            return False
        age = time.time() - float(process["heartbeat"])
        silence = self._silence_s(process)
        return not self._watch.was_watched(self.path) and (silence >= SILENCE_S or age < 0)

    def _watch_others(self, process: Mapping[str, Any], report: Report) -> None:
        """Look at the heartbeat until it has changed, or has not for so long that the process is gone."""
        is_ahead = float(process["heartbeat"]) > time.time()
        patience = SILENCE_S if is_ahead else SIGN_OF_LIFE_S
        why = "its clock is ahead of this one's" if is_ahead else "its clock may differ from this one's"
        report(
            f"process {process['pid']} on '{process['host']}' did not report its end, and {why}: watching for "
            f"{patience:.0f} s to see whether it still runs the job ..."
        )
        until = time.monotonic() + patience
        while time.monotonic() < until:
            time.sleep(min(1.0, patience / 10))
            current = self.read()
            if current is None or current["heartbeat"] != process["heartbeat"]:
                if current is not None:
                    self._silence_s(current)
                return
        # Seen from here it has been silent all the time, regardless of its clock.
        self._watch.give_up(self.path, float(process["heartbeat"]))

    def _silence_s(self, process: Mapping[str, Any]) -> float:
        return self._watch.silence_s(self.path, float(process["heartbeat"]))

    def _has_ended(self, process: Mapping[str, Any]) -> bool:
        last = read_last_event(self._events_path)
        return last is not None and last.is_final and self.has_reported(process)

    # -- taking ------------------------------------------------------------------------------------------------------

    def _wins(self, me: ProcessIdentity, number: int, is_impatient: bool) -> bool:
        """Try to make `me` the one after claim `number`.

        A file for the next number is created, which one process alone can; what a process that died meanwhile has
        left is passed over by taking the number after it, and never taken away: another one may do the same.
        """
        own = self._reserve(me, number + 1, is_impatient)
        if own is None:
            return False
        try:
            # Another process may have come and gone in between.
            if _number(self.read()) != number:
                return False
            self._write(me, self._new_claim(_number_of(own)))
            self._clear(below=_number_of(own))
            return True
        finally:
            with suppress(OSError):
                own.unlink()

    def _reserve(self, me: ProcessIdentity, number: int, is_impatient: bool) -> Optional[Path]:
        """Create the file of a claim exclusively, passing over those of dead processes; None: another has it."""
        while True:
            path = self._folder / f"{_CLAIM}{number}"
            try:
                descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
            except FileExistsError:
                if not (is_impatient or _is_left_behind(path)):
                    return None
                number += 1
            except OSError as error:
                raise storage_error(self.path, error) from error
            else:
                self._sign(descriptor, path, me)
                return path

    def _sign(self, descriptor: int, path: Path, me: ProcessIdentity) -> None:
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(to_json(me), file)
        except OSError as error:
            with suppress(OSError):
                path.unlink()
            raise storage_error(self.path, error) from error

    def _clear(self, below: int) -> None:
        for path in self._folder.glob(f"{_CLAIM}*"):
            if _number_of(path) < below:
                with suppress(OSError):
                    path.unlink()

    def _new_claim(self, number: int) -> dict[str, Any]:
        return {"claim": number, "events_before": whole_length(self._events_path)}

    def _write(self, me: ProcessIdentity, claim: Mapping[str, Any]) -> None:
        carried = {key: claim[key] for key in ("claim", "events_before") if key in claim}
        write_json_atomic(self.path, {**to_json(me), **carried, "heartbeat": time.time()})


def claim_files(folder: Path) -> list[Path]:
    """What processes that died while they claimed a job have left."""
    return list(folder.glob(f"{_CLAIM}*"))


def _number(process: Optional[Mapping[str, Any]]) -> int:
    """How often the job has been claimed; 0 before the first time, and where an earlier version did not count."""
    return int((process or {}).get("claim") or 0)


def _number_of(path: Path) -> int:
    text = path.name[len(_CLAIM) :]
    return int(text) if text.isdecimal() else 0


def _is_left_behind(path: Path) -> bool:
    """Whether the process that created the file of a claim died before it finished."""
    try:
        identity = ProcessIdentity.from_dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False  # it is being written, or has just been taken away
    return identity.is_local and not is_alive(identity)
