"""Progress, plan and messages of a training as sentences."""

from __future__ import annotations

import pytest

from coranet.contract.events import (
    Noted,
    Progress,
    Started,
    Warned,
)
from CoraNetSlicerLib.train.training_status import Message, messages_of, plan_of, progress_text


@pytest.mark.parametrize(
    ("progress", "left", "text"),
    [
        (None, None, "Starting: loading PyTorch and checking the data"),
        (Progress("checking", 3, 12), 5.0, "Checking case 3 of 12"),
        (Progress("preparing", 3, 12), None, "Preparing case 3 of 12"),
        (Progress("self-training", 340, 1000), 720.0, "Self-training, step 340 of 1000, 12 min left"),
        (Progress("preparing", 3, 12), 60.0, "Preparing case 3 of 12"),
        (Progress("finding", 3, 90), 60.0, "Learning to find the structures, step 3 of 90"),
        (Progress("pretraining", 1, 1000), None, "Pretraining, step 1 of 1000"),
        (Progress("self-training", 1000, 1000), 0.0, "Self-training is done; the model is being written"),
    ],
    ids=str,
)
def test_progress_in_words(progress, left, text):
    assert progress_text(progress, left) == text


def test_the_time_that_was_asked_for_stands_beside_the_time_left():
    progress = Progress("pretraining", 40, 1000)
    assert progress_text(progress, 3000.0, "1 h") == "Pretraining, step 40 of 1000, 50 min left of 1 h"


def test_a_plan_is_told_apart_from_the_other_notes_and_its_last_sentence_may_change():
    plan = [Noted("plan", "works at 1.4 mm."), Noted("plan", "about 40 steps.")]
    assert plan_of(plan) == ("Works at 1.4 mm.", "About 40 steps.")
    events = [Noted("patch", "two."), *plan, Started(0, 40, "cpu", "0"), Warned("a", "b.")]
    assert messages_of(events) == (Message("B.", True), Message("Two.", False))
    events += [Noted("plan", "38 steps."), Started(0, 38, "cpu", "0")]
    assert plan_of(events) == ("Works at 1.4 mm.", "38 steps.")
    # Begun anew, it is planned anew.
    assert plan_of([*events, Noted("plan", "works at 2 mm."), Noted("plan", "50 steps.")])[0] == "Works at 2 mm."


def test_warnings_come_first_then_notes_the_newest_first_and_each_once():
    events = [
        Warned("b", "one."),
        Noted("a", "two."),
        Started(0, 1, "cpu", "0"),
        Noted("a", "two."),
        Noted("c", "three."),
    ]
    assert messages_of(events) == (Message("One.", True), Message("Three.", False), Message("Two.", False))
