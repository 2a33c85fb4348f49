"""A fuzzer that is guided by coverage: what reaches new lines of the readers is kept, and changed further.

Ours, and small, because a compiled one (atheris) has no package for every system and Python that the project runs on.
"""

from __future__ import annotations

import json
import random
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from hostile_values import DOCUMENTS, VALUES
from readers import answer_of

_LONGEST = 1 << 16
_TOKENS = [text.encode() for text in VALUES.values() if len(text) < 100]
_TOKENS += [document for document in DOCUMENTS.values() if len(document) < 100]
_TOKENS += [b"\n", b"\n\n", b"\r\n", b"..", b"/", b"\\", b"\0", b"%s", b"9" * 20, b"-1", b"nan", b"inf", b": ", b"gzip"]


@dataclass
class Fuzzer:
    """Tries contents of one file.

    Attributes:
        name: of what is tried.
        reader: reads the file; see `readers`.
        path: of the file.
        watched: the folder whose lines guide it.
        random: draws everything.
        findings: by where it came from, what was raised beside a sentence, and the content.
        tried: how many contents.
    """

    name: str
    reader: Callable[[Path], Any]
    path: Path
    watched: str
    random: random.Random
    findings: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    tried: int = 0

    def run(self, seconds: float, least: int) -> None:
        """Try contents for some time, and at least some of them."""
        kept, lines, end = [self.path.read_bytes()], set[Any](), time.monotonic() + seconds
        while self.tried < least or time.monotonic() < end:
            content = self._changed(self.random.choice(kept), kept) if self.tried else kept[0]
            self.tried += 1
            reached = self._reached_by(content)
            if not reached <= lines:
                lines |= reached
                kept.append(content)
        self.path.write_bytes(kept[0])

    def _reached_by(self, content: bytes) -> set[Any]:
        reached: set[Any] = set()

        def within(frame: FrameType, event: str, _: Any) -> Any:
            reached.add((frame.f_code, frame.f_lineno))
            return within

        def enter(frame: FrameType, event: str, arg: Any) -> Any:
            return within(frame, event, arg) if frame.f_code.co_filename.startswith(self.watched) else None

        self.path.write_bytes(content)
        before = sys.gettrace()
        sys.settrace(enter)
        try:
            answer_of(self.reader, self.path)
        except Exception as error:  # noqa: BLE001 - each is a finding
            sys.settrace(before)
            last = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{type(error).__name__} at {Path(last.filename).name}:{last.lineno}"
            self.findings.setdefault(where, (str(error)[:200], content))
        finally:
            sys.settrace(before)
        return reached

    def _changed(self, content: bytes, kept: list[bytes]) -> bytes:
        for _ in range(self.random.choice((1, 1, 2, 4))):
            content = self._changed_json(content) if self.random.random() < 0.5 else self._changed_bytes(content, kept)
        return content[:_LONGEST]

    def _changed_json(self, content: bytes) -> bytes:
        """Another value, key or part somewhere; where it is no JSON, of one of its lines."""
        lines = content.splitlines() or [b""]
        number = self.random.randrange(len(lines))
        for text, put in (
            (content, lambda new: new),
            (lines[number], lambda new: b"\n".join([*lines[:number], new, *lines[number + 1 :]]) + b"\n"),
        ):
            try:
                parsed = json.loads(text)
                return put(self._with_change(parsed).encode("utf-8", "surrogatepass"))
            except (ValueError, RecursionError):
                continue
        return content

    def _with_change(self, parsed: Any) -> str:
        places = list(_places(parsed))
        if not places:
            return self.random.choice(list(VALUES.values()))
        holder, key = self.random.choice(places)
        mark, kind = "a mark that is nowhere else", self.random.random()
        if kind < 0.15:
            del holder[key]
            return json.dumps(parsed)
        if kind < 0.3:
            other, from_there = self.random.choice(places)
            holder[key] = json.loads(json.dumps(other[from_there]))
            return json.dumps(parsed)
        if kind < 0.4 and isinstance(holder, dict):
            holder[self.random.choice(("", "schema_version", "x", "1", "image", "..", "é"))] = mark
        else:
            holder[key] = mark
        return json.dumps(parsed).replace(json.dumps(mark), self.random.choice(list(VALUES.values())))

    def _changed_bytes(self, content: bytes, kept: list[bytes]) -> bytes:
        begin, end = sorted(self.random.randint(0, len(content)) for _ in range(2))
        end = min(end, begin + self.random.choice((1, 4, 64, _LONGEST)))
        kind = self.random.randrange(6)
        if kind == 0:
            return content[:begin] + content[end:]
        if kind == 1:
            return content[:end] + content[begin:]
        if kind == 2:
            return content[:begin] + self.random.choice(_TOKENS) + content[end:]
        if kind == 3:
            return content[:begin] + self.random.randbytes(min(64, end - begin) or 1) + content[end:]
        if kind == 4:
            return content[:begin]
        return content[:begin] + self.random.choice(kept)[begin:]


def _places(content: Any) -> Any:
    """Each (list or object, key) of a document."""
    items = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in items:
        yield content, key
        yield from _places(value)
