"""Folders without a list: images and label maps are known by name and by content, and labels get names."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import pytest

from coranet.contract import find_cases, is_label_map
from coranet.contract.errors import DataError

LABELS, SCAN = bytes([0] * 40 + [1] * 10 + [3] * 10), bytes(range(60))


@pytest.fixture
def make(tmp_path):
    """Makes files of 60 voxels: `make("image1.nii.gz", "label1.nii.gz")`; those called label or seg hold labels."""

    def made(*names: str) -> Path:
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            is_label = any(word in name.lower() for word in ("label", "seg", "mask", "tumor"))
            path.write_bytes(content(name, LABELS if is_label else SCAN))
        return tmp_path

    return made


def content(name: str, voxels: bytes) -> bytes:
    if name.endswith(".nii.gz"):
        head = bytearray(352)
        struct.pack_into("<i", head, 0, 348)
        struct.pack_into("<8h", head, 40, 3, 3, 4, 5, 1, 1, 1, 1)
        struct.pack_into("<2h", head, 70, 2, 8)
        struct.pack_into("<8f", head, 76, 1, 1, 1, 1, 0, 0, 0, 0)
        struct.pack_into("<2f", head, 108, 352, 1)
        return gzip.compress(bytes(head) + voxels)
    head = "NRRD0004\ntype: uchar\ndimension: 3\nsizes: 3 4 5\nspacings: 1 1 1\nencoding: raw\n"
    named = "Segment0_ID:=s\nSegment0_Name:=Liver\nSegment0_LabelValue:=3\n" if ".seg." in name else ""
    return f"{head}{named}\n".encode() + voxels


def labels_by_case(datalist) -> dict[str, str | None]:
    return {case.id: case.label and Path(case.label).name for case in datalist.cases}


def labels(datalist) -> list[tuple[int, str]]:
    return [(label.value, label.name) for label in datalist.labels]


FOLDERS = {
    "side-by-side": (
        ["image001.nii.gz", "image002.nii.gz", "label001.nii.gz"],
        {"image001": "label001.nii.gz", "image002": None},
    ),
    "one-word-more": (["p1.nrrd", "p1_seg.nrrd", "p2.nrrd"], {"p1": "p1_seg.nrrd", "p2": None}),
    "what-was-drawn": (["p1.nrrd", "p1_tumor.nrrd", "p2.nrrd"], {"p1": "p1_tumor.nrrd", "p2": None}),
    "channels": (
        ["p1_0000.nrrd", "p1_0001.nrrd", "p2_0000.nrrd", "p2_0001.nrrd", "p1_mask.nrrd"],
        {"p1": "p1_mask.nrrd", "p2": None},
    ),
    "imagesTr": (["imagesTr/p1_0000.nrrd", "imagesTr/p2_0000.nrrd", "labelsTr/p2.nrrd"], {"p1": None, "p2": "p2.nrrd"}),
    "images-and-labels": (
        ["images/image1.nrrd", "images/image2.nrrd", "labels/label2.nrrd"], {"image1": None, "image2": "label2.nrrd"},
    ),
    "images-and-masks": (["images/a.nrrd", "masks/a.nrrd"], {"a": "a.nrrd"}),
    "capital-letters": (["Images/a.nrrd", "Labels/label_a.nrrd"], {"a": "label_a.nrrd"}),
    "other-words": (["scans/a.nrrd", "scans/b.nrrd", "Segmentations/b_seg.nrrd"], {"a": None, "b": "b_seg.nrrd"}),
}  # fmt: skip


@pytest.mark.parametrize(("names", "expected"), FOLDERS.values(), ids=FOLDERS)
def test_labels_find_their_images(make, names, expected):
    datalist = find_cases(make(*names))
    assert labels_by_case(datalist) == expected
    assert [case.role.value for case in datalist.cases] == [
        "training" if own else "unlabeled" for own in expected.values()
    ]
    assert datalist.left_out == ()
    assert labels(datalist) == [(1, "label 1"), (3, "label 3")]


def test_segmentations_of_slicer_bring_their_names(make):
    datalist = find_cases(make("p1.nrrd", "p1.seg.nrrd", "p2.nrrd"))
    assert labels_by_case(datalist) == {"p1": "p1.seg.nrrd", "p2": None}
    assert labels(datalist) == [(3, "Liver")]


def test_who_names_the_labels_itself_gets_none(make):
    datalist = find_cases(make("image001.nrrd", "label001.nrrd"), name_values=False)
    assert labels_by_case(datalist) == {"image001": "label001.nrrd"} and datalist.labels == ()


def test_a_list_of_labels_alone_names_them(make):
    folder = make("image001.nrrd", "label001.nrrd")
    (folder / "dataset.json").write_text('{"labels": {"1": "organ", "3": "lesion"}}', encoding="utf-8")
    datalist = find_cases(folder)
    assert labels_by_case(datalist) == {"image001": "label001.nrrd"}
    assert labels(datalist) == [(1, "organ"), (3, "lesion")]


def test_a_scan_that_is_called_label_is_a_scan(make, tmp_path):
    below_zero = content("x", bytes(range(120, 240))).replace(b"uchar", b"short\nendian: little")
    (tmp_path / "label_phantom.nrrd").write_bytes(below_zero)
    assert labels_by_case(find_cases(make("p1.nrrd"))) == {"label_phantom": None, "p1": None}


def test_a_label_map_without_image_is_left_out(make):
    datalist = find_cases(make("image001.nrrd", "label007.nrrd"))
    assert labels_by_case(datalist) == {"image001": None}
    (sentence,) = datalist.left_out
    assert "the label map 'label007' is left out: it has no image with the same name" in sentence


@pytest.mark.parametrize(
    "label_maps",
    [
        ("p1_liver_seg.nrrd", "p1_spleen_seg.nrrd"),
        ("p1_seg_reader1.nrrd", "p1_seg_reader2.nrrd"),
        ("p1_label.nrrd", "p1_seg.nrrd"),
    ],
)
@pytest.mark.parametrize("folders", [("", ""), ("images/", "labels/")])
def test_no_label_map_is_chosen_among_those_of_one_image(make, folders, label_maps):
    of_images, of_labels = folders
    folder = make(f"{of_images}p1.nrrd", f"{of_images}p2.nrrd", *(f"{of_labels}{name}" for name in label_maps))
    first, second = label_maps
    with pytest.raises(DataError, match=f"the image 'p1' has several label maps, '{first}' and '{second}'; merge"):
        find_cases(folder)


def test_a_label_map_of_the_same_name_counts_among_those_of_one_image(make):
    datalist = find_cases(make("p1.nrrd", "p2.nrrd", "p1_seg.nrrd", "p1_seg_old.nrrd"))
    assert labels_by_case(datalist) == {"p1": "p1_seg.nrrd", "p2": None}
    (sentence,) = datalist.left_out
    assert "the label map 'p1_seg_old' is left out" in sentence


@pytest.mark.parametrize(("images", "label_maps"), [("images", "labels"), ("imagesTr", "labelsTr")])
def test_images_beside_the_two_folders_are_told(make, images, label_maps):
    used = [f"{images}/a.nrrd", f"{images}/b.nrrd", f"{label_maps}/b_seg.nrrd"]
    datalist = find_cases(make(*used, "unlabeled/c.nrrd", "d.nrrd", "notes/e.txt"))
    assert labels_by_case(datalist) == {"a": None, "b": "b_seg.nrrd"}
    (sentence,) = datalist.left_out
    assert f"'d.nrrd' and 'unlabeled' are left out: they lie beside '{images}', where all scans must be;" in sentence


def test_of_several_folders_with_words_for_labels_none_is_chosen(make):
    with pytest.raises(DataError, match="'gt', 'img' and 'seg' do; give one of these folders, or list the cases"):
        find_cases(make("img/a.nrrd", "seg/a_seg.nrrd", "gt/a_seg.nrrd"))


def test_label_maps_alone_stay_what_they_are(make):
    assert labels_by_case(find_cases(make("label001.nrrd", "label002.nrrd"))) == {"label001": None, "label002": None}


def test_of_many_that_are_called_labels_a_few_are_read(make, monkeypatch):
    looks = []
    monkeypatch.setattr(
        "coranet.contract.dataset_folders.is_label_map", lambda path: looks.append(path) or is_label_map(path)
    )
    numbers = range(1, 21)
    folder = make(*(f"{kind}{number:03d}.nrrd" for number in numbers for kind in ("image", "label")))
    assert labels_by_case(find_cases(folder, name_values=False)) == {
        f"image{n:03d}": f"label{n:03d}.nrrd" for n in numbers
    }
    assert len(looks) == 3
