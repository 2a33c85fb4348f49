"""The report has every step and picture, and says what went wrong."""

from __future__ import annotations

import json

from slicer_report import Record, read_steps, write_report
from stepping import Step


def test_the_report_shows_steps_pictures_and_faults(tmp_path):
    steps = [Step("Train <one>", 12.3, 0.41, 0.12, 0.33, 2, 3, 1, ["03-train.png"], ["1 h"]), Step("Segment")]
    html = write_report(tmp_path, Record(steps, ""), ["CRITICAL <bad>"]).read_text(encoding="utf-8")
    assert "Train &lt;one&gt;" in html and "CRITICAL &lt;bad&gt;" in html
    assert "<td class=slow>410<td>120<td>330<td>2" in html and 'src="03-train.png"' in html
    assert "1 errors in the log" in html and "The whole way ran to its end" in html


def test_an_error_is_shown(tmp_path):
    html = write_report(tmp_path, Record([], "TimeoutError: waited 5 s"), []).read_text(encoding="utf-8")
    assert "stopped before its end" in html and "waited 5 s" in html


def test_steps_are_read_as_they_were_written(tmp_path):
    step = {"name": "Train", "seconds": 1.0, "pictures": ["a.png"]}
    (tmp_path / "steps.json").write_text(json.dumps({"error": "", "steps": [step]}), encoding="utf-8")
    assert read_steps(tmp_path) == Record([Step("Train", 1.0, pictures=["a.png"])], "")


def test_a_run_that_never_began_says_so(tmp_path):
    assert "did not start" in read_steps(tmp_path).error
