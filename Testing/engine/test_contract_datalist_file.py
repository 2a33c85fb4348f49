from __future__ import annotations

import json
from pathlib import Path

import pytest

from coranet.contract import Label, Role, find_cases, read_datalist, read_input_cases
from coranet.contract.errors import DataError

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
        ({"labels": {"1": "organ", "2": "organ"}}, "label names must be unique"),
        ({"training": {"image": "a"}}, "'training' in the datalist .* must be a list"),
        ({"training": [{"image": "a.nrrd"}]}, "'a.nrrd' of 'training' .* has no 'label'"),
        ({"training": ["a.nrrd"]}, "has no 'label'"),
        ({"validation": [{"image": "a.nrrd", "label": 3}]}, "must be a path, got 3"),
        ({"unlabeled": [{"label": "a.nrrd"}]}, "must have an 'image'"),
        ({"unlabeled": [5]}, "must have an 'image'"),
        ({"training": [row("a")], "unlabeled": [row("a")["image"]]}, "twice, as training and as unlabeled"),
        ({"training": [row("a"), row("a")]}, "twice, in 'training'; keep one"),
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


def test_keys_of_a_case_that_nobody_knows_are_told(write_datalist):
    rows = [{**row("a"), "fold": 0, "knwon": "k.nrrd"}, row("b")]
    (sentence,) = read_datalist(write_datalist(training=rows, unlabeled=[{"image": "c.nrrd", "fold": 1}])).left_out
    assert "have the keys 'fold' and 'knwon', which are left out; known ones are image, label, known" in sentence


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", "5"])
def test_a_file_that_is_no_json_object_is_named(awkward_path, text):
    path = awkward_path / "list.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match="list.json"):
        read_datalist(path)


def test_a_list_that_is_not_there_is_named(awkward_path):
    with pytest.raises(DataError, match=r"absent\.json' does not exist"):
        read_datalist(awkward_path / "absent.json")
    with pytest.raises(DataError, match="is a folder, expected a file"):
        read_datalist(awkward_path)


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


def described(datalist):
    return [
        (case.id, case.role.value, Path(case.image).name, case.label and Path(case.label).name)
        for case in datalist.cases
    ]


class TestFolders:
    def test_images_alone_are_unlabeled(self, make_files):
        folder = make_files("b.nii.gz", "a.nrrd", "notes.txt")
        assert described(find_cases(folder)) == [
            ("a", "unlabeled", "a.nrrd", None),
            ("b", "unlabeled", "b.nii.gz", None),
        ]

    def test_one_image_is_one_case(self, make_files):
        path = make_files("a b.nrrd") / "a b.nrrd"
        datalist = find_cases(str(path))
        assert described(datalist) == [("a_b", "unlabeled", "a b.nrrd", None)]
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
        assert described(datalist) == [
            ("a", "training", "a_0000.nii.gz", "a.nii.gz"),
            ("b", "unlabeled", "b_0000.nii.gz", None),
        ]
        assert datalist.labels == (Label(1, "organ"), Label(2, "lesion"))

    def test_channels_as_nnunet_has_them(self, make_files):
        folder = make_files(
            *(f"imagesTr/{case}_000{number}.nii.gz" for case in "ab" for number in (1, 0)), "labelsTr/a.nii.gz",
            labels={"background": 0, "organ": 1}, channel_names={"0": "T1", "1": "FLAIR"},
        )  # fmt: skip
        datalist = find_cases(folder)
        assert datalist.channels == ("T1", "FLAIR")
        assert described(datalist) == [
            ("a", "training", "a_0000.nii.gz", "a.nii.gz"), ("b", "unlabeled", "b_0000.nii.gz", None),
        ]  # fmt: skip
        assert [[Path(path).name for path in case.more_images] for case in datalist.cases] == [
            ["a_0001.nii.gz"], ["b_0001.nii.gz"],
        ]  # fmt: skip

    def test_images_alone_of_several_channels(self, make_files):
        folder = make_files(*(f"{case}_000{number}.nrrd" for case in "ab" for number in range(3)))
        assert [(case.id, len(case.images)) for case in find_cases(folder).cases] == [("a", 3), ("b", 3)]

    @pytest.mark.parametrize(
        "names", [["case_0000.nrrd", "case_0001.nrrd"], ["a_0000.nrrd", "a_0001.nrrd", "b_0000.nrrd"]]
    )
    def test_images_alone_whose_numbers_may_be_of_cases_are_cases(self, make_files, names):
        assert all(len(case.images) == 1 for case in find_cases(make_files(*names)).cases)

    @pytest.mark.parametrize("name", ["case_001", "case_0000", "case_0001"])
    def test_numbers_that_are_no_channels_stay(self, make_files, name):
        folder = make_files(f"imagesTr/{name}.nrrd", f"labelsTr/{name}.nrrd", labels={"1": "organ"})
        assert described(find_cases(folder)) == [(name, "training", f"{name}.nrrd", f"{name}.nrrd")]

    def test_without_labels_nothing_needs_a_name(self, make_files):
        assert described(find_cases(make_files("imagesTr/a_0000.nrrd"))) == [("a", "unlabeled", "a_0000.nrrd", None)]

    @pytest.mark.parametrize(
        ("names", "content", "sentence"),
        [
            (["notes.txt"], {}, "holds no image"),
            (["imagesTr/a.nrrd", "labelsTr/a.nrrd"], {}, "cannot be read here; name them in a dataset.json"),
            (["imagesTr/a.nrrd", "labelsTr/a.nrrd"], {"labels": {}}, "needs 'labels'"),
            (
                ["imagesTr/a_0000.nrrd", "imagesTr/a_0001.nrrd", "imagesTr/b_0000.nrrd"],
                {},
                r"case 'b' has no channel 2 \('b_0001.nrrd'\); add the file",
            ),
            (
                ["imagesTr/p03_0000.nrrd"],
                {"channel_names": {"0": "T1", "1": "FLAIR"}},
                r"case 'p03' has no FLAIR \('p03_0001.nrrd'\)",
            ),
        ],
    )
    def test_what_cannot_be_used_is_told(self, make_files, names, content, sentence):
        with pytest.raises(DataError, match=sentence):
            find_cases(make_files(*names, **content))

    def test_what_is_not_there_is_named(self, awkward_path):
        with pytest.raises(DataError, match="does not exist"):
            find_cases(awkward_path / "nothing")


class TestChannels:
    def names(self, path: Path) -> list[list[str]]:
        return [[Path(image).name for image in case.images] for case in read_datalist(path).cases]

    @pytest.mark.parametrize(
        "channels",
        [
            {"channels": ["T1", "FLAIR"]},
            {"channels": {"0": "T1", "1": "FLAIR"}},
            {"channel_names": {"0": "T1", "1": "FLAIR"}},
            {"modality": {"0": "T1", "1": "FLAIR"}},
        ],
    )
    @pytest.mark.parametrize("image", [["t1.nrrd", "fl.nrrd"], {"FLAIR": "fl.nrrd", "T1": "t1.nrrd"}])
    def test_an_image_a_channel(self, write_datalist, channels, image):
        path = write_datalist(
            training=[{"image": image, "label": "a-label.nrrd"}], unlabeled=[["b.nrrd", "c.nrrd"]], **channels
        )
        datalist = read_datalist(path)
        assert datalist.channels == ("T1", "FLAIR")
        assert self.names(path) == [["t1.nrrd", "fl.nrrd"], ["b.nrrd", "c.nrrd"]]
        assert all(Path(image).parent == path.parent for case in datalist.cases for image in case.images)

    def test_a_file_of_four_dimensions_is_named_once_for_each_volume(self, write_datalist):
        path = write_datalist(training=[row("a")], modality={"0": "FLAIR", "1": "T1w", "2": "t1gd", "3": "T2w"})
        case = read_datalist(path).cases[0]
        assert case.images == (case.image,) * 4 and len(case.files) == 2

    def test_channels_need_no_names(self, write_datalist):
        path = write_datalist(unlabeled=[["p_0000.nrrd", "p_0001.nrrd"], ["q_0000.nrrd", "q_0001.nrrd"]])
        datalist = read_datalist(path)
        assert datalist.channels == () and datalist.channel_names == ("channel 1", "channel 2")
        assert [case.id for case in datalist.cases] == ["p", "q"]

    @pytest.mark.parametrize("channels", [{"modality": {"0": "CT"}}, {"channels": ["CT"]}, {}])
    def test_what_a_single_channel_is_called_decides_on_nothing(self, write_datalist, channels):
        datalist = read_datalist(write_datalist(unlabeled=["a.nrrd"], **channels))
        assert datalist.channels == () and datalist.cases[0].more_images == ()

    @pytest.mark.parametrize(
        ("content", "sentence"),
        [
            ({"unlabeled": [["p03.nrrd"], ["a.nrrd", "b.nrrd"]], "channels": None}, "case 'p03' has no channel 2"),
            (
                {"unlabeled": [{"image": {"T1": "p03.nrrd"}}]},
                "case 'p03' in the .* has no FLAIR; add its image",
            ),
            ({"unlabeled": [{"image": {"T1": "a", "T2": "b"}}]}, "given for 'T2', expected one of T1, FLAIR"),
            ({"unlabeled": [["a", "b", "c"]]}, r"case 'a' has 3 images, expected 2 \(T1 and FLAIR\)"),
            ({"unlabeled": [["a_flair.nrrd", "a_t1.nrrd"]]}, "'a_flair.nrrd' as its T1, but the name .* says FLAIR"),
            ({"unlabeled": [["a", "a"]], "training": [{"image": ["b", "a"], "label": "l"}]}, "names '.*a' twice"),
            ({"unlabeled": [[]]}, "must have an 'image'"),
            ({"unlabeled": [["a", 5]]}, "must have an 'image'"),
            ({"channels": {"1": "T1"}}, "'channels' in the datalist .* must number its channels from 0"),
            ({"channels": ["T1", "T1"]}, "channel names must be unique, got 'T1' twice"),
        ],
    )
    def test_each_mistake_gets_a_sentence(self, write_datalist, content, sentence):
        with pytest.raises(DataError, match=sentence):
            read_datalist(write_datalist(**{"channels": ["T1", "FLAIR"], **content}))

    def test_a_volume_file_of_three_dimensions_lacks_the_other_channels(self, write_datalist, awkward_path):
        path = awkward_path / "p03.nrrd"
        path.write_text("NRRD0005\nsizes: 4 5 6\nspacings: 1 1 1\n\n", encoding="utf-8")
        with pytest.raises(DataError, match="case 'p03' has no FLAIR, it has 1 of the 2 images T1 and FLAIR"):
            read_datalist(write_datalist(unlabeled=["p03.nrrd"], channels=["T1", "FLAIR"]))

    def test_cases_to_be_segmented_are_those_without_labels_and_those_for_testing(self, write_datalist):
        path = write_datalist(
            training=[{"image": ["a", "b"], "label": "l"}],
            unlabeled=[["c", "d"]],
            test=[["e", "f"]],
            channels=["T1", "FLAIR"],
        )
        cases = read_input_cases(path).cases
        assert [(case.id, case.role, case.label, len(case.images)) for case in cases] == [
            ("c", Role.INPUT, None, 2), ("e", Role.INPUT, None, 2),
        ]  # fmt: skip
        with pytest.raises(DataError, match="no 'unlabeled' and no 'test' case"):
            read_input_cases(write_datalist(training=[row("a")]))
