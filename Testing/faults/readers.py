"""Every reader of a file that somebody else may have written, as a function of its path; and what it may answer."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coranet.contract import (
    Datalist,
    Job,
    JobStatus,
    ModelCard,
    PredictionFiles,
    RegionList,
    Review,
    find_cases,
    rank_cases,
    read_datalist,
)
from coranet.contract.config import MachineConfig, SegmentConfig, TrainConfig
from coranet.contract.errors import CoraNetError
from coranet.contract.event_tail import read_last_event
from coranet.contract.events import EVENT_TYPES, read_events, to_dict, without_superseded
from coranet.contract.files import read_json
from coranet.contract.image_headers import read_image_header
from coranet.contract.input_list import input_list
from coranet.machine.devices import choose_device
from coranet.model_package import ModelPackage
from coranet.planning.plan import Plan
from coranet.regions.files import WrittenCase
from coranet.tensors import load_tensors
from coranet.volume import read_image, read_label_map

# A sentence that quotes what was found must not quote all of it.
_LONGEST_SENTENCE = 2100
# What a reader may take beyond what the process has: the files here are small.
_ROOM_BYTES = 3 * 2**30


@dataclass(frozen=True)
class Answer:
    """What a reader gives: a value, or the sentence in which it refuses."""

    value: Any = None
    refusal: str = ""


def answer_of(reader: Callable[[Path], Any], path: Path) -> Answer:
    """Read a file; anything but a value or one sentence is raised.

    Raises:
        AssertionError: the refusal is not one sentence.
        Exception: what the reader raises beside CoraNetError.
    """
    try:
        with limited_memory():
            return Answer(reader(path))
    except CoraNetError as error:
        text = str(error)
        assert text and "\n" not in text and "Traceback" not in text, f"not one sentence: {text!r}"
        assert len(text) <= _LONGEST_SENTENCE, f"{len(text)} characters: {text[:300]} ..."
        return Answer(refusal=text)


@contextmanager
def limited_memory(room: int = _ROOM_BYTES) -> Iterator[None]:
    """While this lasts, the process may take so much more memory; where the system knows no limit, all there is."""
    if sys.platform != "linux":
        yield
        return
    import resource

    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + room, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def _require_usable(datalist: Datalist) -> Datalist:
    """What whoever reads a datalist may rely on."""
    for case in datalist.cases:
        assert isinstance(case.id, str) and all(isinstance(path, str) for path in case.files), case
        folder = Path("/a/predictions")
        assert (folder / case.id).resolve().parent == folder, f"the results of {case.id!r} would lie elsewhere"
    for label in datalist.labels:
        assert type(label.value) is int and isinstance(label.name, str) and isinstance(label.terminology, str), label
    assert all(isinstance(name, str) for name in datalist.channels)
    return datalist


def datalist(path: Path) -> Datalist:
    return _require_usable(read_datalist(path))


def folder_of_cases(path: Path) -> Datalist:
    return _require_usable(find_cases(path))


def inputs(path: Path) -> Datalist:
    return _require_usable(input_list([path]))


def job(path: Path) -> Job:
    """All that a job says of itself; `path` is one of its files."""
    opened = Job.open(path.parent)
    opened.read_config()
    _require_usable(opened.read_datalist())
    assert isinstance(opened.status(), JobStatus)
    opened.read_events()
    return opened


def train_config(path: Path) -> TrainConfig:
    return TrainConfig.from_dict(read_json(path), source=path)


def segment_config(path: Path) -> SegmentConfig:
    return SegmentConfig.from_dict(read_json(path), source=path)


def events(path: Path) -> list[Any]:
    events = read_events(path)
    for event in without_superseded(events):
        to_dict(event)
        assert type(event) in EVENT_TYPES.values()
        assert isinstance(getattr(event, "step", 0), int) and isinstance(getattr(event, "message", ""), str), event
        assert isinstance(getattr(event, "share", 0.0), (int, float, type(None)))
    read_last_event(path)
    return events


def model(path: Path) -> ModelPackage:
    """A model's card, as both sides read it, and its network; `path` is its card."""
    card = ModelCard.read(path.parent)
    assert all(isinstance(step, float) for step in card.spacing_mm) and len(card.spacing_mm) == 3
    _ = (card.mean_dice, card.mean_before, [model.mean_dice for model in card.history])
    package = ModelPackage.read(path.parent)
    package.load_network(choose_device(MachineConfig(device="cpu", threads=1)))
    return package


def plan(path: Path) -> Plan:
    return Plan.from_dict(read_json(path))


def regions(path: Path) -> RegionList:
    return RegionList.read(path)


def review(path: Path) -> Review:
    """A review; its list of regions lies beside it."""
    found = RegionList.read(path.with_name("regions.json"))
    read = Review.read(path, found)
    read.progress(found)
    return read


def result(path: Path) -> WrittenCase:
    """What is told of a case, as both sides read it."""
    files = PredictionFiles(path.parent)
    rank_cases([files])
    return WrittenCase.read(files)


def tensors(path: Path) -> dict[str, Any]:
    return load_tensors(path)


def image(path: Path) -> Any:
    read_image_header(path)
    return read_image(path).voxels


def label_map(path: Path) -> Any:
    return read_label_map(path).voxels


READERS: dict[str, Callable[[Path], Any]] = {
    one.__name__: one
    for one in (
        datalist, folder_of_cases, inputs, job, train_config, segment_config, events, model, plan, regions, review,
        result, tensors, image, label_map,
    )
}  # fmt: skip
