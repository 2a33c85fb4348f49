from __future__ import annotations

import json
from pathlib import Path

import pytest

from coranet.errors import DataError
from coranet.job import Label, Role, find_cases, read_datalist

LABELS = {"0": "background", "7": "lesion", "2": "organ"}


@pytest.fixture
def write_datalist(awkward_path):
    """Writes a dataset.json in a folder with spaces and umlauts: `write_datalist(training=[...], ...)`."""

    def write(labels=LABELS, **rows) -> Path:
        path = awkward_path / "dataset.json"
        path.write_text(json.dumps({"labels": labels, **rows}), encoding="utf-8")
        return path

    return write


def row(name: str) -> dict[str, str]:
    return {"image": f"images/{name}.nii.gz", "label": f"labels/{name}.nii.gz"}


def test_a_decathlon_list_with_unlabeled_scans(write_datalist):
    path = write_datalist(
        training=[row("ä 1"), row("b")],
        unlabeled=[{"image": "./images/c.nrrd"}, "images/d.mha"],
        validation=[row("e")],
        test=[row("f"), "images/without-truth.nii"],
    )
    datalist = read_datalist(path)
    assert [(case.id, case.role) for case in datalist.cases] == [
        ("a_1", Role.TRAINING), ("b", Role.TRAINING), ("c", Role.UNLABELED), ("d", Role.UNLABELED),
        ("e", Role.VALIDATION), ("f", Role.TEST),
    ]  # fmt: skip
    assert Path(datalist.cases[0].image) == path.parent / "images" / "ä 1.nii.gz"
    assert Path(datalist.cases[0].label) == path.parent / "labels" / "ä 1.nii.gz"
    assert datalist.cases[2].label is None


def test_a_label_may_be_known_in_part(write_datalist):
    path = write_datalist(training=[{**row("a"), "known": "known/a.nrrd"}, row("b")])
    first, second = read_datalist(path).cases
    assert Path(first.known) == path.parent / "known" / "a.nrrd" and second.known is None


def test_label_values_are_kept_as_they_are_without_the_background(write_datalist):
    assert read_datalist(write_datalist(training=[row("a")])).labels == (Label(2, "organ"), Label(7, "lesion"))


def test_paths_may_be_absolute_and_the_list_may_be_named_relatively(write_datalist, monkeypatch, tmp_path):
    elsewhere = tmp_path / "elsewhere" / "scan.nrrd"
    path = write_datalist(training=[row("a")], unlabeled=[str(elsewhere)])
    monkeypatch.chdir(path.parent)
    datalist = read_datalist("dataset.json")
    assert Path(datalist.cases[0].image) == path.parent / "images" / "a.nii.gz"
    assert Path(datalist.cases[1].image) == elsewhere


def test_equal_file_names_in_different_folders_become_different_cases(write_datalist):
    rows = [{"image": f"patient{number}/image.nii.gz", "label": f"patient{number}/label.nii.gz"} for number in (1, 2)]
    assert [case.id for case in read_datalist(write_datalist(training=rows)).cases] == ["image", "image_2"]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({"labels": {}}, "needs 'labels'"),
        ({"labels": ["background", "organ"]}, "needs 'labels'"),
        ({"labels": {"organ": 1}}, "label value 'organ', expected a whole number"),
        ({"labels": {"-1": "organ"}}, "label value '-1', expected a whole number of at least 1"),
        ({"labels": {"1": "organ", "2": "organ"}}, "label names must be unique"),
        ({"training": {"image": "a"}}, "'training' in the datalist .* must be a list"),
        ({"training": [{"image": "a.nrrd"}]}, "'a.nrrd' of 'training' .* has no 'label'"),
        ({"training": ["a.nrrd"]}, "has no 'label'"),
        ({"validation": [{"image": "a.nrrd", "label": 3}]}, "must be a path, got 3"),
        ({"unlabeled": [{"label": "a.nrrd"}]}, "must have an 'image'"),
        ({"unlabeled": [5]}, "must have an 'image'"),
        ({"training": [row("a")], "unlabeled": [row("a")["image"]]}, "twice, as training and as unlabeled"),
        ({"training": [row("a")], "test": [{**row("a"), "image": "images/../images/a.nii.gz"}]}, "twice"),
        ({"test": [{"image": "a.nrrd", "label": 3}]}, "must be a path, got 3"),
        ({"training": [{**row("a"), "known": True}]}, "the 'known' of 'images/a.nii.gz' .* must be a path, got True"),
        (
            {"validation": [{**row("a"), "known": "k.nrrd"}]},
            "of 'validation' .* is 'known' in part, which",
        ),
        ({"unlabeled": [{"image": "a.nrrd", "known": "k.nrrd"}]}, "move it there or remove 'known'"),
    ],
)
def test_each_mistake_gets_a_sentence(write_datalist, content, sentence):
    with pytest.raises(DataError, match=sentence):
        read_datalist(write_datalist(**content))


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", "5"])
def test_a_file_that_is_no_json_object_is_named(awkward_path, text):
    path = awkward_path / "list.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match="list.json"):
        read_datalist(path)


def test_a_list_that_is_not_there_is_named(awkward_path):
    with pytest.raises(DataError, match=r"absent\.json' does not exist"):
        read_datalist(awkward_path / "absent.json")
    with pytest.raises(DataError, match="cannot be read"):
        read_datalist(awkward_path)  # a folder


@pytest.fixture
def make_files(awkward_path):
    """Makes empty files, and a dataset.json of some content: `make_files("imagesTr/a.nrrd", ..., labels={...})`."""

    def make(*names: str, **content) -> Path:
        for name in names:
            (awkward_path / name).parent.mkdir(parents=True, exist_ok=True)
            (awkward_path / name).write_bytes(b"")
        if content:
            (awkward_path / "dataset.json").write_text(json.dumps(content), encoding="utf-8")
        return awkward_path

    return make


def told(datalist):
    return [
        (case.id, case.role.value, Path(case.image).name, case.label and Path(case.label).name)
        for case in datalist.cases
    ]


class TestFolders:
    def test_images_alone_are_unlabeled(self, make_files):
        folder = make_files("b.nii.gz", "a.nrrd", "notes.txt")
        assert told(find_cases(folder)) == [("a", "unlabeled", "a.nrrd", None), ("b", "unlabeled", "b.nii.gz", None)]

    def test_one_image_is_one_case(self, make_files):
        path = make_files("a b.nrrd") / "a b.nrrd"
        datalist = find_cases(str(path))
        assert told(datalist) == [("a_b", "unlabeled", "a b.nrrd", None)]
        assert datalist.cases[0].image == str(path)

    def test_a_list_is_read_whether_it_or_its_folder_is_named(self, make_files):
        folder = make_files(labels=LABELS, training=[row("a")], unlabeled=["images/u.nrrd"])
        assert find_cases(folder) == find_cases(folder / "dataset.json") == read_datalist(folder / "dataset.json")
        assert len(find_cases(folder).cases) == 2

    @pytest.mark.parametrize("labels", [{"background": 0, "organ": 1, "lesion": 2}, {"1": "organ", "2": "lesion"}])
    def test_images_and_labels_as_nnunet_has_them(self, make_files, labels):
        folder = make_files(
            "imagesTr/a_0000.nii.gz", "imagesTr/b_0000.nii.gz", "imagesTs/t_0000.nii.gz", "labelsTr/a.nii.gz",
            labels=labels, numTraining=1, file_ending=".nii.gz",
        )  # fmt: skip
        datalist = find_cases(folder)
        assert told(datalist) == [
            ("a", "training", "a_0000.nii.gz", "a.nii.gz"),
            ("b", "unlabeled", "b_0000.nii.gz", None),
        ]
        assert datalist.labels == (Label(1, "organ"), Label(2, "lesion"))

    @pytest.mark.parametrize("name", ["case_001", "case_0000", "case_0001"])
    def test_numbers_that_are_no_channels_stay(self, make_files, name):
        folder = make_files(f"imagesTr/{name}.nrrd", f"labelsTr/{name}.nrrd", labels={"1": "organ"})
        assert told(find_cases(folder)) == [(name, "training", f"{name}.nrrd", f"{name}.nrrd")]

    def test_without_labels_nothing_needs_a_name(self, make_files):
        assert told(find_cases(make_files("imagesTr/a_0000.nrrd"))) == [("a", "unlabeled", "a_0000.nrrd", None)]

    @pytest.mark.parametrize(
        ("names", "content", "sentence"),
        [
            (["notes.txt"], {}, "holds no image"),
            (["imagesTr/a.nrrd", "labelsTr/a.nrrd"], {}, "no dataset.json that says what their values mean"),
            (["imagesTr/a.nrrd", "labelsTr/a.nrrd"], {"labels": {}}, "needs 'labels'"),
            (["imagesTr/a_0000.nrrd", "imagesTr/a_0001.nrrd"], {}, "several channels, such as 'a_0001'"),
        ],
    )
    def test_what_cannot_be_used_is_told(self, make_files, names, content, sentence):
        with pytest.raises(DataError, match=sentence):
            find_cases(make_files(*names, **content))

    def test_what_is_not_there_is_named(self, awkward_path):
        with pytest.raises(DataError, match="does not exist"):
            find_cases(awkward_path / "nothing")
