from __future__ import annotations

import pytest

from coranet.contract.errors import JobCancelled
from coranet.contract.events import CaseDone, CaseFailed, CaseSkipped, Noted, Progress, Warned
from coranet.inference.account import Account, Outcome, part_done

STAGES = {"read": 1.0, "predict": 6.0, "write": 2.0, "regions": 1.0}


@pytest.fixture
def a_clock(monkeypatch):
    """Stands until it is moved: `a_clock.now += 2`."""

    class Clock:
        now = 100.0

    monkeypatch.setattr("coranet.inference.account.time.monotonic", lambda: Clock.now)
    return Clock


@pytest.mark.parametrize(
    ("stage", "share", "expected"),
    [
        ("read", 0, 0),
        ("read", 0.5, 0.05),
        ("predict", 0, 0.1),
        ("predict", 0.5, 0.4),
        ("write", 1, 0.9),
        ("find", 1, 0.1),
    ],
)
def test_the_part_of_a_case_goes_with_what_its_stages_take(stage, share, expected):
    assert part_done(STAGES, stage, share) == pytest.approx(expected)


def test_progress_within_a_case_foretells_the_time(a_reporter, a_clock):
    account = Account(a_reporter, total=3, number=0, at_once=1)
    account.enter([Outcome("a", 20.0, (), stages=STAGES)])
    a_reporter.events.clear()
    account.begin_case()
    a_clock.now += 8
    account.under_way("predict", 0.5)
    # Of this case 6/10 are left, at the pace of 8 s for 4/10; then one case of 20 s.
    assert a_reporter.events == [Progress("segmenting", 1, 3, 32.0, 0.4)]


def test_the_first_case_foretells_nothing_until_a_tenth_is_done(a_reporter, a_clock):
    account = Account(a_reporter, total=2, number=0, at_once=1)
    account.begin_case()
    a_clock.now += 5
    account.under_way("read", 0.5)
    a_clock.now += 5
    account.under_way("predict", 0.5)
    early, later = a_reporter.events
    assert early.seconds_left is None and 0 < early.part < 0.1
    assert later.part == pytest.approx(0.45) and later.seconds_left == pytest.approx(10 / 0.45 * 0.55 + 10 / 0.45, 0.01)


def test_progress_is_told_twice_a_second_at_most(a_reporter, a_clock):
    account = Account(a_reporter, total=1, number=0, at_once=1)
    for _ in range(100):
        a_clock.now += 0.05
        account.under_way("predict", 0.5)
    assert len(a_reporter.events) == pytest.approx(10, abs=1)


def test_what_became_of_cases_is_told_in_order(a_reporter):
    account = Account(a_reporter, total=3, number=0, at_once=3)
    account.enter(
        [
            Outcome("a", 2.0, (Noted("x", "y"),)),
            Outcome("b", 1.0, (), failure="broken."),
            Outcome("c", 1.0, (), skipped=True),
        ]
    )
    kinds = [type(event) for event in a_reporter.events if not isinstance(event, Progress)]
    assert kinds == [Noted, CaseDone, CaseFailed, CaseSkipped]
    assert (account.failures, account.skipped) == (["broken."], 1)
    assert [event.step for event in a_reporter.events if isinstance(event, Progress)] == [1, 2, 3]


def test_an_error_that_ends_the_job_is_raised_after_the_others_were_told(a_reporter):
    account = Account(a_reporter, total=2, number=0, at_once=2)
    with pytest.raises(JobCancelled):
        account.enter([Outcome("a", 1.0, (), error=JobCancelled("stopped.")), Outcome("b", 1.0, ())])
    assert [event.case for event in a_reporter.events if isinstance(event, CaseDone)] == ["b"]


def test_cases_that_were_warned_of_are_counted_once(a_reporter):
    account = Account(a_reporter, total=3, number=0, at_once=1)
    unlike, poor, other = Warned("unlike_training", "a"), Warned("poor_result", "b"), Warned("no_regions", "c")
    account.enter(
        [Outcome("a", 1.0, (unlike, poor)), Outcome("b", 1.0, (other,)), Outcome("c", 1.0, (unlike,), "failed")]
    )
    assert account.doubtful == 1
