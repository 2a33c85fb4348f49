"""Events survive the way through the file, whatever happens to the process that writes them."""

from __future__ import annotations

import errno
import json
import os

import pytest

from coranet.contract.errors import JobError, StorageError
from coranet.contract.events import (
    EVENT_TYPES,
    Cancelled,
    CaseDone,
    CaseFailed,
    CaseSkipped,
    CheckpointSaved,
    EventReader,
    EventWriter,
    Failed,
    Finished,
    Losses,
    Noted,
    PaceMeasured,
    Progress,
    SnapshotSaved,
    Started,
    Validation,
    Warned,
    from_dict,
    read_events,
    to_dict,
    without_superseded,
)

ONE_OF_EACH = [
    Started(0, 10, "CPU", "0.1.0"),
    Progress("pretraining", 3, 10, None),
    Progress("pretraining", 4, 10, 2.5),
    Progress("segmenting", 1, 3, 2.5, 0.5),
    Losses(4, "pretraining", 1.5, 1.5, 0.25, 0.125, 0.0625, 0.001),
    Validation(5, {"Größe": 0.5, "lesion": None}, 0.5, True),
    Warned("no_unlabeled", "there is no unlabeled case."),
    Noted("backbone", "3D V-Net: as requested."),
    PaceMeasured("CPU", 1.5, 0.5, 1.25, 4.0, 2, 0.125),
    CheckpointSaved(5),
    SnapshotSaved(5, "Fall 1", "snapshots/Fall 1/step-0000005.nrrd", 0.0625),
    CaseDone("Fall 1 – 心臓", 1, 2, 0.5),
    CaseFailed("b", "'b.nrrd' is empty."),
    CaseSkipped("c"),
    Finished("done", 12.5),
    Failed("it broke"),
    Cancelled(7),
]


def written(path, *events, time: float = 0.0):
    writer = EventWriter(path, clock=lambda: time)
    for event in events:
        writer.write(event)
    writer.close()


@pytest.fixture
def events_path(awkward_path):
    return awkward_path / "events.jsonl"


def test_no_type_is_forgotten_here():
    assert {type(event) for event in ONE_OF_EACH} == set(EVENT_TYPES.values())


@pytest.mark.parametrize("event", ONE_OF_EACH, ids=lambda event: event.type)
def test_an_event_comes_back_as_it_was(events_path, event):
    written(events_path, event, time=1234.5)
    read = read_events(events_path)
    assert read == [event]
    assert read[0].time == 1234.5


@pytest.mark.parametrize("event", ONE_OF_EACH, ids=lambda event: event.type)
def test_an_event_is_one_line_of_plain_json(event):
    line = json.dumps(to_dict(event), allow_nan=False)
    assert "\n" not in line
    assert list(json.loads(line))[:2] == ["type", "time"]
    assert from_dict(json.loads(line)) == event


def test_only_the_last_words_are_final():
    assert {event.type for event in ONE_OF_EACH if event.is_final} == {"finished", "failed", "cancelled"}


def test_a_line_is_there_as_soon_as_it_is_written(events_path):
    writer = EventWriter(events_path, clock=lambda: 0.0)
    writer.write(CheckpointSaved(1))
    assert read_events(events_path) == [CheckpointSaved(1)]
    writer.close()


def test_a_file_that_is_not_there_has_no_events(events_path):
    assert read_events(events_path) == []


def test_a_reader_tells_each_event_once(events_path):
    reader = EventReader(events_path)
    assert reader.read_new() == []
    written(events_path, CheckpointSaved(1))
    assert reader.read_new() == [CheckpointSaved(1)]
    assert reader.read_new() == []
    written(events_path, CheckpointSaved(2), CheckpointSaved(3))
    assert reader.read_new() == [CheckpointSaved(2), CheckpointSaved(3)]


def test_half_a_line_is_not_read_until_it_is_whole(events_path):
    line = (json.dumps(to_dict(Warned("x", "größer"))) + "\n").encode()
    reader = EventReader(events_path)
    events_path.write_bytes(line[:20])
    assert reader.read_new() == []
    events_path.write_bytes(line)
    assert reader.read_new() == [Warned("x", "größer")]


@pytest.mark.parametrize(
    "remains", [b'{"type": "checkp', b"{", '{"type": "warning", "message": "gr\u00f6'.encode()[:-1]]
)
def test_a_half_written_last_line_is_ignored_and_cut_off_by_the_next_writer(events_path, remains):
    written(events_path, CheckpointSaved(1))
    with open(events_path, "ab") as file:
        file.write(remains)
    assert read_events(events_path) == [CheckpointSaved(1)]
    written(events_path, CheckpointSaved(2))
    assert read_events(events_path) == [CheckpointSaved(1), CheckpointSaved(2)]
    assert len(events_path.read_bytes().splitlines()) == 2


def test_a_file_of_nothing_but_half_a_line_starts_anew(events_path):
    events_path.write_bytes(b'{"type": "st')
    written(events_path, CheckpointSaved(2))
    assert read_events(events_path) == [CheckpointSaved(2)]


@pytest.mark.parametrize(
    "line",
    [
        '{"type": "party"}',
        '{"type": 5, "time": 1.0}',
        '{"type": "checkpoint", "time": 1.0}',
        '{"type": "checkpoint", "step": 1}',
        '["checkpoint", 1]',
        "5",
        "not json",
    ],
)
def test_a_line_of_another_version_is_an_error_that_names_the_file(events_path, line):
    events_path.write_text(line + "\n", encoding="utf-8")
    with pytest.raises(JobError) as raised:
        read_events(events_path)
    assert str(events_path) in str(raised.value)
    assert line[:40] in str(raised.value)


def test_what_a_later_version_adds_is_passed_over(events_path):
    lines = [
        '{"type": "checkpoint", "time": 1.0, "step": 1, "mood": "good"}',
        '{"type": "party", "time": 2.0, "guests": [1, 2]}',
        '{"type": "checkpoint", "time": 3.0, "step": 2}',
    ]
    events_path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    assert [event.step for event in read_events(events_path)] == [1, 2]


def test_a_damaged_line_is_told_once_and_the_rest_is_read(events_path):
    lines = [
        '{"type": "checkpoint", "time": 1.0, "step": 1}',
        "\0\0\0",
        '{"type": "checkpoint", "time": 3.0, "step": 2}',
    ]
    events_path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    reader = EventReader(events_path)
    assert [event.step for event in reader.read_new()] == [1]
    with pytest.raises(JobError, match="not an event"):
        reader.read_new()
    assert [event.step for event in reader.read_new()] == [2]
    with pytest.raises(JobError, match="not an event"):
        read_events(events_path)


def test_a_name_that_is_not_utf8_comes_back_as_it_was(events_path):
    name = os.fsdecode(b"M\xfcller.nrrd")
    writer = EventWriter(events_path)
    writer.write(CaseFailed("a", f"'{name}' cannot be read"))
    writer.close()
    events_path.read_text(encoding="utf-8")
    assert read_events(events_path)[0].message == f"'{name}' cannot be read"


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_a_number_that_json_has_not_does_not_end_the_work(events_path, number):
    writer = EventWriter(events_path)
    writer.write(Validation(1, {"a": number, "b": 0.5}, 0.5, False))
    writer.write(Losses(1, "pretraining", number, 0.5))
    writer.write(Progress("pretraining", 1, 5, number))
    writer.close()
    validation, progress = read_events(events_path)
    assert validation.dice == {"a": None, "b": 0.5} and progress.seconds_left is None


def test_a_folder_that_is_not_there_cannot_take_events(tmp_path):
    with pytest.raises(StorageError, match=r"events\.jsonl"):
        EventWriter(tmp_path / "absent" / "events.jsonl")


class FullDisk:
    """A file in which nothing finds room."""

    def write(self, text: str) -> None:
        pass

    def flush(self) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_an_event_that_finds_no_room_is_a_storage_error(events_path):
    writer = EventWriter(events_path)
    real, writer._file = writer._file, FullDisk()
    with pytest.raises(StorageError, match=r"events\.jsonl' could not be written because the disk is full"):
        writer.write(CheckpointSaved(1))
    real.close()


def test_what_a_resumed_run_did_again_is_dropped():
    before = [Started(0, 9, "CPU", "1"), Losses(1, "p", 1, 1), CheckpointSaved(2), Losses(3, "p", 1, 1)]
    after = [Started(2, 9, "CPU", "1"), Losses(3, "p", 1, 1), CheckpointSaved(4), Finished("done", 1.0)]
    assert without_superseded(before + after) == [*before[:3], *after]


def test_the_end_of_an_earlier_run_is_dropped_as_well():
    events = [Started(0, 9, "CPU", "1"), CheckpointSaved(4), Cancelled(4), Started(4, 9, "CPU", "1")]
    assert without_superseded(events) == [events[0], events[1], events[3]]


def test_an_uninterrupted_run_is_left_as_it_is():
    events = [Started(0, 2, "CPU", "1"), Losses(1, "p", 1, 1), Losses(2, "p", 1, 1), Finished("done", 1.0)]
    assert without_superseded(events) == events


def test_two_interruptions_leave_each_step_once():
    def run(first: int, last: int):
        return [Started(first, 9, "CPU", "1"), *(Losses(step, "p", 1, 1) for step in range(first + 1, last + 1))]

    events = without_superseded(run(0, 5) + run(3, 7) + run(6, 9))
    assert [event.step for event in events if isinstance(event, Losses)] == list(range(1, 10))
