"""The report of a whole way in the running application: its steps, and all pictures side by side."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from stepping import Step

_STYLE = """
body { font: 14px/1.4 system-ui, sans-serif; margin: 24px; color: #222; background: #fff; }
table { border-collapse: collapse; } th, td { padding: 3px 12px; text-align: right; border-bottom: 1px solid #ddd; }
th:first-child, td:first-child { text-align: left; } .slow { color: #b00020; font-weight: 600; }
.pictures { display: grid; grid-template-columns: repeat(auto-fill, minmax(560px, 1fr)); gap: 16px; }
figure { margin: 0; } figure img { width: 100%; border: 1px solid #ccc; }
pre { background: #f6f6f6; padding: 8px; overflow: auto; }
"""
_COUNTS = ("Clicks", "Keys", "Scrolls")
# A person notices a stall that is longer.
NOTICED_S = 0.2


@dataclass
class Record:
    """What a run wrote down."""

    steps: list[Step]
    error: str


def read_steps(output: Path) -> Record:
    """Read what the run wrote; a run that never began says so."""
    path = output / "steps.json"
    if not path.exists():
        return Record([], "The script did not start; see slicer.log.")
    content = json.loads(path.read_text(encoding="utf-8"))
    return Record([Step(**step) for step in content["steps"]], content["error"])


def write_report(output: Path, record: Record, faults: Sequence[str]) -> Path:
    """Write report.html beside the pictures; its path."""
    path = output / "report.html"
    result = "The whole way ran to its end." if not record.error else "The way stopped before its end."
    parts = [
        f"<!doctype html><meta charset=utf-8><title>CoraNetSlicer in 3D Slicer</title><style>{_STYLE}</style>",
        f"<h1>CoraNetSlicer in 3D Slicer</h1><p>{result} {len(faults)} errors in the log.</p>",
        f"<pre>{escape(record.error)}</pre>" if record.error else "",
        _table(record.steps),
        "".join(f"<pre>{escape(fault)}</pre>" for fault in faults),
        "<h2>Pictures</h2><div class=pictures>",
        *(_figure(name, step.name) for step in record.steps for name in step.pictures),
        "</div>",
    ]
    path.write_text("\n".join(parts), encoding="utf-8")
    return path


def _table(steps: Sequence[Step]) -> str:
    head = "".join(
        f"<th>{name}" for name in ("Step", "Seconds", "Longest stall, ms", "Clicks", "Keys", "Scrolls", "Notes")
    )
    return f"<table><tr>{head}</tr>{''.join(map(_row, steps))}</table>"


def _row(step: Step) -> str:
    mark = " class=slow" if step.longest_stall_s > NOTICED_S else ""
    notes = escape("; ".join(step.notes))
    return (
        f"<tr><td>{escape(step.name)}<td>{step.seconds:.1f}<td{mark}>{1000 * step.longest_stall_s:.0f}"
        f"<td>{1000 * step.stall_thread_s:.0f}<td>{1000 * step.stall_process_s:.0f}"
        f"<td>{step.clicks}<td>{step.keys}<td>{step.scrolls}<td>{notes}</tr>"
    )


def _figure(name: str, step: str) -> str:
    link = f'<a href="{escape(name)}"><img src="{escape(name)}" loading=lazy></a>'
    return f"<figure>{link}<figcaption>{escape(step)}: {escape(name)}</figcaption></figure>"
