"""Cases of several images in the table: channels come, get names and volumes, and reach a training."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from scene_builders import LIVER_MASK

from coranet.contract.errors import DataError
from CoraNetSlicerLib.core.parameters import Parameters
from CoraNetSlicerLib.data.presenter import CasesPresenter


@pytest.fixture
def two(cases, make_labeled_case, a_scan):
    """A labeled and an unlabeled case, each with a FLAIR; the table has them as T1 and FLAIR."""
    volume, segmentation = make_labeled_case("P1 T1", {"Liver": LIVER_MASK})
    flairs, other = [a_scan("P1 FLAIR"), a_scan("P2 FLAIR")], a_scan("P2 T1")
    cases.add_volumes([volume, other])
    cases.add_channel()
    cases.name_channels("T1, FLAIR")
    for row, flair in zip(cases.rows, flairs, strict=True):
        cases.set_image(row.key, 1, flair)
    return [(volume, flairs[0]), (other, flairs[1])], segmentation


def test_there_is_one_until_another_is_asked_for(cases, a_scan):
    cases.add_volumes([a_scan("A")])
    assert cases.channels == () and cases.rows[0].more == ()
    cases.add_channel()
    assert cases.channels == ("Channel 1", "Channel 2") and cases.rows[0].more == (None,)
    cases.add_channel()
    assert cases.channels[2] == "Channel 3" and cases.rows[0].more == (None, None)
    cases.remove_channel()
    cases.remove_channel()
    assert cases.channels == () and cases.rows[0].more == ()


def test_a_training_gets_the_images_of_each_case(cases, two):
    images, segmentation = two
    nodes = cases.training_nodes()
    assert nodes.channels == ("T1", "FLAIR")
    assert nodes.labeled == [(images[0], segmentation)] and nodes.unlabeled == [images[1]]


def test_a_missing_image_is_named(cases, two):
    cases.set_image(cases.rows[1].key, 1, None)
    assert cases.reason_not_trainable == "'P2 T1' has no FLAIR. Choose its volume, or remove the channel."
    assert [finding.short for finding in cases.rows[1].findings] == ["no FLAIR"]


def test_a_volume_is_no_case_of_its_own_any_more(cases, two, a_scan):
    alone = a_scan("P3 FLAIR")
    cases.add_volumes([alone, a_scan("P3 T1")])
    assert [row.name for row in cases.rows[2:]] == ["P3 FLAIR", "P3 T1"]
    assert alone in cases.image_choices(cases.rows[3].key)
    cases.set_image(cases.rows[3].key, 1, alone)
    assert [row.name for row in cases.rows] == ["P1 T1", "P2 T1", "P3 T1"]
    assert cases.add_volumes([alone]) == 0


def test_images_of_other_cases_and_labeled_volumes_are_not_offered(cases, two):
    images, _ = two
    offered = cases.image_choices(cases.rows[1].key)
    assert images[1][1] in offered
    assert not {images[0][0], images[0][1], images[1][0]} & set(offered)


def test_the_scene_remembers_them(context, cases, two):
    images, _ = two
    again = CasesPresenter(context, Parameters(context.scene))
    assert again.channels == ("T1", "FLAIR")
    assert [row.images for row in again.rows] == images
    again.close()
    cases.remove_channel()
    other = CasesPresenter(context, Parameters(context.scene))
    assert other.channels == () and [row.more for row in other.rows] == [(), ()]
    other.close()


def test_an_image_that_is_gone_is_missing(context, cases, two):
    images, _ = two
    context.scene.RemoveNode(images[1][1])
    assert cases.rows[1].more == (None,) and len(cases.rows) == 2


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("T1", "Expected 2 names"), ("T1,", "2 names"), ("T1, t1", "a name of its own"), ("a, b, c", "2 names")],
)
def test_names_that_do_not_fit_are_refused(cases, two, text, sentence):
    with pytest.raises(DataError, match=sentence):
        cases.name_channels(text)
    assert cases.channels == ("T1", "FLAIR")


def two_on_disk(folder: Path, channels=("T1", "FLAIR")) -> Path:
    content = {
        "labels": {"1": "Liver"}, "channels": channels, "unlabeled": [["a.nrrd", "b.nrrd"]],
        "training": [{"image": ["c.nrrd", "d.nrrd"], "label": "l.nrrd"}],
    }  # fmt: skip
    path = folder / "two.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def test_a_datalist_brings_its_channels(cases, awkward_path):
    cases.add_files(two_on_disk(awkward_path))
    assert cases.channels == ("T1", "FLAIR")
    assert [[Path(image).name for image in row.images] for row in cases.rows] == [
        ["c.nrrd", "d.nrrd"], ["a.nrrd", "b.nrrd"],
    ]  # fmt: skip
    assert [Path(path).name for path in cases.rows[0].files] == ["c.nrrd", "d.nrrd", "l.nrrd"]
    assert cases.image_choices(cases.rows[0].key) == []


def test_a_datalist_with_other_channels_is_refused(cases, two, awkward_path):
    with pytest.raises(DataError, match="channels T1, T2, the table has T1, FLAIR"):
        cases.add_files(two_on_disk(awkward_path, ("T1", "T2")))
    assert len(cases.rows) == 2
    cases.add_files(two_on_disk(awkward_path, ("t1", "flair")))
    assert len(cases.rows) == 4 and cases.channels == ("T1", "FLAIR")


def test_cases_of_before_lack_the_channels_of_a_datalist(cases, a_scan, awkward_path):
    cases.add_volumes([a_scan("A")])
    cases.add_files(two_on_disk(awkward_path))
    assert cases.channels == ("T1", "FLAIR") and cases.rows[0].more == (None,)
