"""Every event can be said in words."""

from __future__ import annotations

import pytest

from coranet.contract import events
from coranet.contract.events import duration
from coranet.event_messages import describe

WORDS = [
    (events.Started(3, 10, "CPU", "0.1.0"), "CoraNet 0.1.0 on CPU, step 3 of 10"),
    (events.Progress("preparing", 3, 10), "preparing 3 of 10"),
    (events.Progress("preparing", 3, 10, 200.0), "preparing 3 of 10, 3 min left"),
    (
        events.Losses(7, "self-training", 1.5, 0.75, 0.5, 0.0625, 0.125),
        "step 7: loss 1.500 (supervised 0.750, certain 0.500, uncertain 0.0625), 12.5 % uncertain",
    ),
    (events.Validation(5, {"Größe": 0.5, "Läsion": None}, 0.5, False), "step 5: validation Dice Größe 0.500, Läsion -"),
    (events.Validation(5, {"a": 0.5}, 0.5, True), "step 5: validation Dice a 0.500 (best so far)"),
    (
        events.PaceMeasured("CPU", case=2.0, pretraining=0.5, self_training=1.0, whole_scan=2.5),
        "on CPU: 0.5 s a step of pretraining, 1 s of self-training, 2 s to prepare a case, 2.5 s a whole scan",
    ),
    (events.Warned("code", "something is odd."), "warning: something is odd."),
    (events.Noted("backbone", "3D V-Net: as requested."), "3D V-Net: as requested."),
    (events.CheckpointSaved(5), "step 5 is saved"),
    (events.SnapshotSaved(5, "a", "snapshots/a/step-0000005.nrrd", 0.1), "step 5: a snapshot of 'a' is kept"),
    (events.CaseDone("a", 1, 2, 3.25), "'a' is segmented (1 of 2, 3.2 s)"),
    (events.CaseSkipped("a"), "'a' was skipped on request"),
    (events.CaseFailed("a", "'a.nrrd' is empty."), "'a' could not be segmented: 'a.nrrd' is empty."),
    (events.Finished("all is done.", 7300.0), "finished after 2 h 2 min: all is done."),
    (events.Finished("a model.", 60.0, "/m"), "finished after 60 s: a model. See '/m'."),
    (events.Failed("it broke."), "error: it broke."),
    (events.Cancelled(5), "stopped on request at step 5; run again with --resume to continue"),
]


@pytest.mark.parametrize(("event", "text"), WORDS, ids=lambda value: getattr(value, "type", ""))
def test_an_event_in_words(event, text):
    assert describe(event) == text


def test_no_type_is_speechless():
    assert {type(event) for event, _ in WORDS} == set(events.EVENT_TYPES.values())


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 s"),
        (89, "89 s"),
        (90, "2 min"),
        (240, "4 min"),
        (5340, "89 min"),
        (5400, "1 h 30 min"),
        (7500, "2 h 5 min"),
    ],
)
def test_a_time_span_in_words(seconds, text):
    assert duration(seconds) == text
