"""Jobs and models of every earlier version are read; of later ones, what is not known here is passed over and kept."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from coranet.contract import (
    Case,
    Datalist,
    Job,
    JobKind,
    JobStatus,
    Label,
    ModelCard,
    ProcessIdentity,
    RegionList,
    Review,
    Role,
)
from coranet.contract.codec import keeping_unknown
from coranet.contract.config import TrainConfig
from coranet.contract.errors import ConfigError, CoraNetError, ModelError
from coranet.contract.events import Finished, Noted, Started
from coranet.model_package import ModelPackage

# A training, its model and a segmentation of each form that has been written, as the program of that day made them.
EARLIER = sorted((Path(__file__).parent / "earlier_versions").iterdir())


@pytest.fixture(params=EARLIER, ids=lambda folder: folder.name)
def earlier(request, tmp_path) -> Path:
    """A copy of the folder of an earlier version."""
    return shutil.copytree(request.param, tmp_path / request.param.name)


def test_a_training_of_an_earlier_version_is_read(earlier):
    job = Job.open(earlier / "train")
    assert job.kind is JobKind.TRAIN and job.identifier
    assert isinstance(job.read_config(), TrainConfig)
    assert {case.role for case in job.read_datalist().cases} >= {Role.TRAINING, Role.UNLABELED}
    events = job.read_events()
    assert isinstance(events[-1], Finished) and any(isinstance(event, Started) for event in events)
    assert job.status() is JobStatus.FINISHED
    assert job.claim() == ProcessIdentity.of_this_process()
    job.write_datalist(job.read_relative_datalist())
    assert Job.open(job.folder).read_datalist() == job.read_datalist()


def test_a_segmentation_of_an_earlier_version_is_read(earlier):
    job = Job.open(earlier / "segment")
    assert job.kind is JobKind.SEGMENT and job.status() is JobStatus.FINISHED
    job.read_config()
    (files,) = job.complete_predictions()
    assert files.read_result()["volumes_ml"]
    if files.regions.is_file():
        regions = RegionList.from_dict(json.loads(files.regions.read_text(encoding="utf-8")), files.regions)
        assert Review.read(files.review, regions).decisions == {}


def test_a_model_of_an_earlier_version_is_loaded_or_refused(earlier, a_cpu):
    folder = earlier / "train" / "model"
    card = ModelCard.read(folder)
    assert [label.name for label in card.labels] == ["organ", "lesion"] and len(card.spacing_mm) == 3
    if earlier.name == "2026-11-23":
        # Of another network, before there was a choice of decoders: it cannot be built any more.
        with pytest.raises(ModelError, match="train again"):
            ModelPackage.read(folder)
        return
    assert not ModelPackage.read(folder).load_network(a_cpu).training


# -- later versions --


def everywhere(content: Any, path: str = "") -> Iterator[tuple[str, Callable[[Any], Any]]]:
    """Each object inside a JSON value: its path, and how it is found in a copy."""
    if isinstance(content, dict):
        yield path, lambda top: top
        for key, value in content.items():
            yield from (
                (at, lambda top, key=key, find=find: find(top[key])) for at, find in everywhere(value, f"{path}/{key}")
            )
    elif isinstance(content, list) and content:
        yield from ((at, lambda top, find=find: find(top[0])) for at, find in everywhere(content[0], f"{path}/0"))


@pytest.fixture
def a_job(tmp_path) -> Job:
    cases = (Case("a", Role.TRAINING, "a.nrrd", "b.nrrd"), Case("b", Role.UNLABELED, "c.nrrd"))
    job = Job.create(tmp_path / "job", JobKind.TRAIN, TrainConfig(), Datalist(cases, (Label(1, "organ", (1, 0, 0)),)))
    job.claim()
    return job


def read_all(job: Job) -> tuple[Any, ...]:
    again = Job.open(job.folder)
    return again.kind, again.identifier, again.read_config(), again.read_datalist(), again.status(), again.worker()


@pytest.mark.parametrize("name", ["job.json", "config.json", "datalist.json", "process.json"])
def test_a_key_of_a_later_version_is_passed_over_wherever_it_stands(a_job, name):
    path, before = a_job.folder / name, read_all(a_job)
    content = json.loads(path.read_text(encoding="utf-8"))
    places = [*everywhere(content)]
    assert places
    for at, find in places:
        changed = copy.deepcopy(content)
        find(changed)["mood"] = {"good": [1, None]}
        path.write_text(json.dumps(changed), encoding="utf-8")
        assert read_all(a_job) == before, at


def test_a_setting_of_a_later_version_is_named_and_one_that_is_typed_is_refused(a_job):
    path = a_job.folder / "config.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["mood"], content["training"]["mood"] = "good", "good"
    path.write_text(json.dumps(content), encoding="utf-8")
    assert a_job.unknown_settings() == ["training.mood", "mood"] or a_job.unknown_settings() == [
        "mood",
        "training.mood",
    ]
    with pytest.raises(ConfigError, match="unknown setting"):
        TrainConfig.from_dict(content)
    with pytest.raises(ConfigError, match="there is no setting 'mood'"):
        TrainConfig().with_overrides({"mood": "good"})


def test_what_a_later_version_has_added_to_the_cases_stays(a_job):
    path = a_job.folder / "datalist.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["mood"] = content["cases"][1]["mood"] = content["labels"][0]["mood"] = "good"
    path.write_text(json.dumps(content), encoding="utf-8")
    listed = a_job.read_relative_datalist()
    a_job.write_datalist(Datalist((*listed.cases[::-1], Case("c", Role.UNLABELED, "d.nrrd")), listed.labels))
    written = json.loads(path.read_text(encoding="utf-8"))
    assert written["mood"] == written["labels"][0]["mood"] == "good"
    assert [row.get("mood") for row in written["cases"]] == ["good", None, None]


def test_a_known_key_that_is_left_out_does_not_come_back():
    before = {"channels": ["T1", "T2"], "mood": "good", "cases": [1]}
    assert keeping_unknown({"cases": []}, before, ("channels",)) == {"cases": [], "mood": "good"}
    assert keeping_unknown({"cases": []}, None, ()) == {"cases": []}


@pytest.mark.parametrize("where", ["", "card", "labels", "card/trained_on_more"])
def test_what_a_later_version_tells_of_a_model_is_passed_over(a_random_model, where):
    package = a_random_model()
    path = package.folder / "model.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    place = content["labels"][0] if where == "labels" else content["card"] if where.startswith("card") else content
    place["mood"] = "good"
    path.write_text(json.dumps(content), encoding="utf-8")
    again = ModelPackage.read(package.folder)
    assert (again.architecture, again.preprocessing, again.labels) == (
        package.architecture, package.preprocessing, package.labels,
    )  # fmt: skip


@pytest.mark.parametrize("where", ["architecture", "preprocessing"])
def test_what_a_later_version_computes_otherwise_is_refused(a_random_model, where):
    package = a_random_model()
    path = package.folder / "model.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content[where]["mood"] = "good"
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ModelError, match="mood"):
        ModelPackage.read(package.folder)


@pytest.mark.parametrize("version", [0, 2, 99, "1", None, True + 1, [1]])
@pytest.mark.parametrize("name", ["job.json", "config.json", "datalist.json"])
def test_another_schema_is_refused_by_name(a_job, name, version):
    path = a_job.folder / name
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**content, "schema_version": version}), encoding="utf-8")
    with pytest.raises(CoraNetError, match="schema version") as raised:
        read_all(a_job)
    assert str(path) in str(raised.value)


def test_settings_that_have_no_effect_are_told(a_job):
    from coranet.job_process.worker import work_on

    path = a_job.folder / "config.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**content, "mood": "good"}), encoding="utf-8")
    work_on(a_job, resume=False)
    events = [event for event in a_job.read_events() if getattr(event, "code", "") == "unknown_settings"]
    assert len(events) == 1 and "no effect here: mood;" in events[0].message
    assert not isinstance(events[0], Noted)
