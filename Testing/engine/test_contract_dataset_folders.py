"""Data sets of nnU-Net, of both its versions, and of the Decathlon: lists and folders, and what is left out of them."""

from __future__ import annotations

import json
import re
import unicodedata
from pathlib import Path

import pytest

from coranet.contract import Role, find_cases, read_datalist, read_input_cases
from coranet.contract.errors import DataError

V1 = {"labels": {"0": "background", "1": "organ"}, "modality": {"0": "MR"}}
V2 = {"labels": {"background": 0, "organ": 1}, "channel_names": {"0": "MR"}, "file_ending": ".nii.gz"}


@pytest.fixture
def make(tmp_path):
    """Makes files of one byte and a dataset.json: `make("imagesTr/a_0000.nii.gz", ..., labels={...})`."""

    def made(*names: str, **content) -> Path:
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(b"x")
        (tmp_path / "dataset.json").write_text(json.dumps(content), encoding="utf-8")
        return tmp_path

    return made


def described(datalist) -> list[tuple[str, str, list[str], str | None]]:
    return [
        (case.id, case.role.value, [Path(image).name for image in case.images], case.label and Path(case.label).name)
        for case in datalist.cases
    ]


P1 = ("p1", "training", ["p1_0000.nii.gz"], "p1.nii.gz")
P2 = ("p2", "unlabeled", ["p2_0000.nii.gz"], None)
FILES = ("imagesTr/p1_0000.nii.gz", "imagesTr/p2_0000.nii.gz", "labelsTr/p1.nii.gz")


def test_the_second_nnunet_lists_no_cases_and_is_read_from_its_folders(make):
    folder = make(*FILES, numTraining=1, **V2)
    for path in (folder, folder / "dataset.json"):
        assert described(find_cases(path)) == [P1, P2] and find_cases(path).left_out == ()
    assert described(read_datalist(folder / "dataset.json")) == [P1, P2]
    assert [(label.value, label.name) for label in find_cases(folder).labels] == [(1, "organ")]


def test_the_first_nnunet_lists_names_without_the_number_that_files_have(make):
    rows = [{"image": "./imagesTr/p1.nii.gz", "label": "./labelsTr/p1.nii.gz"}]
    folder = make(*FILES, training=rows, test=["./imagesTs/p9.nii.gz"], numTraining=1, **V1)
    datalist = find_cases(folder)
    assert described(datalist) == [P1]
    (sentence,) = datalist.left_out
    assert "1 of the 'test' images" in sentence and "list them as 'unlabeled'" in sentence


def test_two_channels_that_are_listed_without_number(make):
    content = {**V1, "modality": {"0": "T1", "1": "FLAIR"}}
    names = ["imagesTr/p1_0000.nii.gz", "imagesTr/p1_0001.nii.gz", "labelsTr/p1.nii.gz"]
    folder = make(*names, training=[{"image": "imagesTr/p1.nii.gz", "label": "labelsTr/p1.nii.gz"}], **content)
    assert described(find_cases(folder)) == [("p1", "training", ["p1_0000.nii.gz", "p1_0001.nii.gz"], "p1.nii.gz")]
    (folder / names[1]).unlink()
    with pytest.raises(DataError, match="has no FLAIR"):
        find_cases(folder)


def test_the_ending_of_all_files_completes_what_is_listed(make):
    rows = [{"image": "imagesTr/p1", "label": "labelsTr/p1"}]
    assert described(find_cases(make(*FILES, training=rows, **V2)))[0] == P1


def test_cases_may_be_listed_by_name_with_files_anywhere(make):
    cases = {"p1": {"images": ["a/x_0000.nii.gz"], "label": "b/y.nii.gz"}}
    datalist = find_cases(make("a/x_0000.nii.gz", "b/y.nii.gz", dataset=cases, **V2))
    assert [(case.role, Path(case.label).name) for case in datalist.cases] == [(Role.TRAINING, "y.nii.gz")]
    with pytest.raises(DataError, match="'dataset' in the datalist .* must be an object of cases"):
        find_cases(make(dataset=["a"], **V2))


@pytest.mark.parametrize("lists", [{"training": None}, {"training": []}, {"unlabeled": None, "test": []}, {}])
def test_lists_that_are_empty_or_null_are_as_those_that_are_not_there(make, lists):
    assert described(find_cases(make(*FILES, **lists, **V2))) == [P1, P2]


def test_test_cases_are_those_whose_label_is_there(make):
    names = ("imagesTs/p1_0000.nii.gz", "imagesTs/p8_0000.nii.gz", "labelsTs/p1.nii.gz")
    datalist = find_cases(make(*FILES, *names, **V2))
    assert described(datalist)[2:] == [("p1_2", "test", ["p1_0000.nii.gz"], "p1.nii.gz")]
    assert any(
        "imagesTs' the image 'p8' is left out: it has no label map" in sentence for sentence in datalist.left_out
    )
    inputs = read_input_cases(datalist.cases[0].image.replace("imagesTr/p1_0000.nii.gz", "dataset.json"))
    assert [case.id for case in inputs.cases] == ["p1", "p8"]


LEFT_OUT = {
    "label-without-image": (
        ["labelsTr/p7.nii.gz"],
        {},
        "the label map 'p7' is left out: it has no image with the same name",
    ),
    "other-ending": (["imagesTr/p3_0000.nrrd"], {}, "'p3_0000.nrrd' is left out: it does not end with '.nii.gz'"),
    "too-few": ([], {"numTraining": 5}, "'numTraining' .* is 5, but there are 1 labeled cases"),
    "no-image": (
        ["imagesTr/notes.txt"],
        {},
        "'notes.txt' is left out: it has no image file ending",
    ),
    "sub-folder": (["imagesTr/more/p4_0000.nii.gz"], {}, "'more' is left out: it is a sub-folder"),
    "other-list": (
        [],
        {"training": [{"image": "imagesTr/p1", "label": "labelsTr/p1"}], "val": ["imagesTr/p2_0000.nii.gz"]},
        "lists images as 'val', which is left out; name such a list training, unlabeled, validation, test",
    ),
    "zero": ([], {"labels": {"liver": 0, "organ": 1}}, "'liver' has the value 0"),
}


@pytest.mark.parametrize(("names", "content", "sentence"), LEFT_OUT.values(), ids=LEFT_OUT)
def test_what_is_left_out_is_told(make, names, content, sentence):
    datalist = find_cases(make(*FILES, *names, **{**V2, **content}))
    assert described(datalist)[0] == P1
    (left_out,) = datalist.left_out
    assert re.search(sentence, left_out), left_out


REFUSED = {
    "image-twice": (["imagesTr/p1_0000.nrrd"], {"file_ending": None}, "with the same name; keep or rename one of them"),
    "label-twice": (["labelsTr/p1.nrrd"], {"file_ending": None}, "'p1.nii.gz' and 'p1.nrrd' with the same name"),
    "label-as-segmentation-too": (["labelsTr/p1.seg.nrrd"], {"file_ending": None}, "with the same name"),
    "case-not-an-object": ([], {"dataset": {"p1": "x"}}, "must be an object of cases"),
    "list-is-text": ([], {"training": "p1"}, "must be a list of cases, got str"),
    "null-row": ([], {"training": [None]}, "must have an 'image', got None"),
}


@pytest.mark.parametrize(("names", "content", "sentence"), REFUSED.values(), ids=REFUSED)
def test_what_contradicts_itself_is_refused(make, names, content, sentence):
    with pytest.raises(DataError, match=sentence):
        find_cases(make(*FILES, *names, **{**V2, **content}))


def test_a_segmentation_of_slicer_is_a_label_map_among_labels(make):
    folder = make("imagesTr/p1_0000.nrrd", "labelsTr/p1.seg.nrrd", labels={"organ": 1})
    assert described(find_cases(folder)) == [("p1", "training", ["p1_0000.nrrd"], "p1.seg.nrrd")]


def test_names_match_however_their_accents_are_written(make):
    image, label = (unicodedata.normalize(form, "Müller") for form in ("NFD", "NFC"))
    folder = make(f"imagesTr/{image}_0000.nii.gz", f"labelsTr/{label}.nii.gz", **V2)
    assert [case.role for case in find_cases(folder).cases] == [Role.TRAINING]


@pytest.mark.parametrize("mark", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_is_no_part_of_the_list(make, mark):
    folder = make(*FILES)
    (folder / "dataset.json").write_bytes(json.dumps(V2).encode(mark))
    assert described(find_cases(folder)) == [P1, P2]


def test_a_row_may_have_null_for_what_it_lacks(make):
    rows = {"unlabeled": [{"image": "imagesTr/p2_0000.nii.gz", "label": None}]}
    training = [{"image": "imagesTr/p1_0000.nii.gz", "label": "labelsTr/p1.nii.gz", "known": None, "fold": 0}]
    assert [case.role.value for case in find_cases(make(*FILES, training=training, **rows, **V2)).cases] == [
        "training", "unlabeled",
    ]  # fmt: skip
