"""What stands in the row of a case that is segmented: how it ended, how far it is, and how long it takes yet."""

from __future__ import annotations

from coranet.contract import JobStatus
from coranet.contract.events import CaseDone, CaseFailed, CaseSkipped, Progress, Started
from CoraNetSlicerLib.segment.presenter import CaseProgress, case_rows, seconds_left_of_case


def test_how_far_the_running_case_is_stands_in_its_row():
    rows = case_rows(["a", "b"], [Started(0, 2, "cpu", "1")], CaseProgress(JobStatus.RUNNING, part=0.424))
    assert [row.text for row in rows] == ["running, 42 %", "waiting"]
    progress = CaseProgress(JobStatus.RUNNING, part=0.424, seconds_left=90.0)
    assert case_rows(["a"], [Started(0, 1, "cpu", "1")], progress)[0].text == "running, 42 %, 2 min left"


def at(seconds: float, event):
    object.__setattr__(event, "time", seconds)
    return event


def test_the_time_that_is_left_of_a_case_is_that_of_its_pace():
    started, done = at(10.0, Started(0, 2, "cpu", "1")), at(30.0, CaseDone("a", 1, 2, 20.0))
    part = at(40.0, Progress("segmenting", 1, 2, part=0.25))
    assert seconds_left_of_case([started, done, part]) == 30.0
    assert seconds_left_of_case([started, part]) == 90.0
    for nothing in ([], [part], [started], [started, at(12.0, Progress("segmenting", 0, 2))], [started, part, done]):
        assert seconds_left_of_case(nothing) is None


def test_rows_follow_the_last_word_on_each_case():
    events = [Started(0, 4, "cpu", "1"), CaseFailed("a", "why"), CaseSkipped("b"), CaseDone("a", 1, 4, 100.0)]
    rows = case_rows(["a", "b", "c", "d"], events, CaseProgress(JobStatus.RUNNING))
    assert [(row.text, row.action) for row in rows] == [
        ("done in 2 min", "load"), ("skipped", ""), ("running", "skip"), ("waiting", "skip"),
    ]  # fmt: skip
    there = CaseProgress(JobStatus.RUNNING, loaded={"a"})
    assert case_rows(["a"], events, there)[0].action == "show"


def test_a_case_that_was_quick_took_a_second():
    (row,) = case_rows(["a"], [CaseDone("a", 1, 1, 0.3)], CaseProgress(JobStatus.FINISHED))
    assert row.text == "done in 1 s"
