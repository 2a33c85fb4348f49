"""Asks the doctor, in the chosen Python and in a process of its own: PyTorch never enters Slicer."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Optional

from coranet.contract.errors import CoraNetError
from coranet.contract.process import ENGINE

from ..core.translation import _
from .interpreter import BackgroundProcess, Interpreter, read_end

# Importing PyTorch for the first time, from a slow disk that a virus scanner watches.
_TIMEOUT_S = 300.0


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong; code, level and topic as in docs/reference/doctor.md."""

    level: str
    topic: str
    message: str
    fix: str
    code: str

    @staticmethod
    def from_dict(content: Mapping[str, Any]) -> Finding:
        """From the doctor's answer; other keys are ignored, a missing one raises KeyError."""
        return Finding(*(content[field.name] for field in fields(Finding)))


@dataclass(frozen=True)
class Health:
    """What the doctor found out."""

    is_well: bool
    facts: Mapping[str, Any] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()

    @staticmethod
    def from_json(text: str) -> Health:
        """Read the doctor's answer; what a library printed before it is ignored. Raises ValueError where it is none."""
        text = text.replace("\r\n", "\n")
        start = text.find('{\n "is_well"')
        content = json.loads(text[start:] if start >= 0 else text)
        if not isinstance(content, dict):
            raise ValueError("expected an object")
        try:
            findings = tuple(Finding.from_dict(finding) for finding in content["findings"])
            return Health(bool(content["is_well"]), dict(content["facts"]), findings)
        except (KeyError, TypeError) as error:
            raise ValueError(str(error)) from error

    def to_json(self) -> str:
        """In the form of the doctor's answer."""
        findings = [vars(finding) for finding in self.findings]
        return json.dumps({"is_well": self.is_well, "facts": dict(self.facts), "findings": findings})

    @staticmethod
    def unknown(message: str) -> Health:
        """The doctor gave no answer."""
        fix = _("choose another Python, or install PyTorch again.")
        return Health(False, {}, (Finding("error", "python", message, fix, "probe.failed"),))


class Probe:
    """One check. `poll` it until it answers."""

    def __init__(
        self,
        interpreter: Interpreter,
        clock: Callable[[], float] = time.monotonic,
        engine: Path = ENGINE,
    ) -> None:
        """Start it.

        Raises:
            JobError: the Python cannot be started.
            StorageError: there is no room for its answer.
        """
        self._folder = Path(tempfile.mkdtemp(prefix="coranet-doctor-"))
        self._clock = clock
        self._until = clock() + _TIMEOUT_S
        self._executable = interpreter.executable
        args = [str(engine), "doctor", "--json"]
        errors = self._folder / "errors.txt"
        try:
            self._process = BackgroundProcess(interpreter, args, self._folder / "answer.json", errors)
        except CoraNetError:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise

    def poll(self) -> Optional[Health]:
        """The answer; None: it is not there yet. Never waits."""
        code = self._process.exit_code()
        if code is None and self._clock() < self._until:
            return None
        try:
            return Health.from_json(self._process.output())
        except ValueError:
            return Health.unknown(self._why_no_answer(code))
        finally:
            self.close()

    def close(self) -> None:
        """End it, and leave nothing behind."""
        self._process.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _why_no_answer(self, code: Optional[int]) -> str:
        if code is None:
            return _("'{program}' gave no answer within {minutes} minutes.").format(
                program=self._executable, minutes=round(_TIMEOUT_S / 60)
            )
        lines = [line.strip() for line in read_end(self._folder / "errors.txt").splitlines() if line.strip()]
        text = _("'{program}' ended without an answer (exit code {code}): {last}")
        return text.format(program=self._executable, code=code, last=lines[-1] if lines else _("it said nothing."))
