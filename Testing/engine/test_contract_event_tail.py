"""The last events of a long file, without reading it from the start."""

from __future__ import annotations

import io

import pytest

from coranet.contract import event_tail, read_last_events
from coranet.contract.errors import JobError
from coranet.contract.event_tail import read_last_event
from coranet.contract.events import EventWriter, Finished, Losses, Progress, Warned


@pytest.fixture
def path(awkward_path):
    return awkward_path / "events.jsonl"


def write_events(path, *events):
    writer = EventWriter(path)
    for event in events:
        writer.write(event)
    writer.close()


def test_there_is_no_event_without_a_file_or_in_an_empty_one(path):
    assert read_last_event(path) is None
    path.touch()
    assert read_last_events(path) == []


def test_a_short_file_is_read_whole(path):
    write_events(path, Progress("pretraining", 1, 2), Finished("gut für heute", 1.0))
    assert [event.type for event in read_last_events(path)] == ["progress", "finished"]
    assert read_last_event(path).message == "gut für heute"


def test_of_a_long_file_the_end_is_read_and_no_cut_line(path):
    write_events(path, *(Progress("pretraining", step, 500, 1.0) for step in range(500)))
    last = read_last_events(path, 1000)
    assert [event.step for event in last] == list(range(500 - len(last), 500))
    assert 3 < len(last) < 20


def test_a_line_longer_than_the_end_is_found(path):
    write_events(path, Progress("pretraining", 1, 2), Warned("long", "ä" * 20_000))
    assert read_last_event(path).code == "long"


def test_a_line_that_is_being_written_does_not_count(path):
    write_events(path, Progress("pretraining", 1, 2))
    with open(path, "ab") as file:
        file.write(b'{"type": "progr')
    assert read_last_event(path).step == 1


@pytest.mark.parametrize("line", [b"[1]", b"nonsense", b'{"type": "unheard"}', b"\xff\xfe"])
def test_a_damaged_end_is_said_with_the_name_of_the_file(path, line):
    path.write_bytes(line + b"\n")
    with pytest.raises(JobError, match=r"events.jsonl.*not an event"):
        read_last_event(path)


def test_a_file_that_cannot_be_read_is_said(tmp_path):
    with pytest.raises(JobError, match="cannot be read"):
        read_last_event(tmp_path)


def test_of_the_events_of_a_training_of_two_days_the_end_alone_is_read(path, monkeypatch):
    line = b'{"type": "losses", "time": 1.0, "step": 1, "phase": "pretraining", "total": 1.0, "supervised": 1.0}\n'
    path.write_bytes(line * 200_000)
    read = []

    class Counting(io.FileIO):
        def read(self, *size: int) -> bytes:
            read.append(super().read(*size))
            return read[-1]

    monkeypatch.setattr(event_tail, "open", lambda path, mode: Counting(path, mode.replace("b", "")), raising=False)
    assert isinstance(read_last_event(path), Losses)
    assert 0 < sum(map(len, read)) < 10_000, "of 20 MB"
