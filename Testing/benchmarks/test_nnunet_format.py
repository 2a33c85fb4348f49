"""Cases as nnU-Net reads them: names, numbers of classes, grids."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from experiment_jobs import scans_in
from nnunet_format import class_indices, raw_description, write_raw

from coranet.contract import Label, Role, read_datalist
from coranet.volume import read_image, read_label_map

LABELS = (Label(1, "organ"), Label(7, "Läsion"))


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """A data set with label values 1 and 7, and what was written of it."""
    datalist = read_datalist(scans_in(tmp_path_factory.mktemp("cases ü"), labeled=2, unlabeled=1, test=1))
    folder = tmp_path_factory.mktemp("raw") / "Dataset001_cases"
    write_raw(folder, datalist.with_role(Role.TRAINING), datalist.with_role(Role.TEST), datalist.labels, ["CT"])
    return datalist, folder


def test_files_have_the_names_that_it_looks_for(raw):
    _, folder = raw
    found = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    assert found == [
        "dataset.json", "imagesTr/image001_0000.nrrd", "imagesTr/image002_0000.nrrd", "imagesTs/image004_0000.nrrd",
        "labelsTr/image001.nrrd", "labelsTr/image002.nrrd",
    ]  # fmt: skip


def test_the_description_is_of_its_version_two(raw):
    _, folder = raw
    assert json.loads((folder / "dataset.json").read_text(encoding="utf-8")) == {
        "channel_names": {"0": "CT"}, "labels": {"background": 0, "organ": 1, "Läsion": 2}, "numTraining": 2,
        "file_ending": ".nrrd",
    }  # fmt: skip
    assert raw_description(LABELS[1:], ["T1", "FLAIR"], 5)["labels"] == {"background": 0, "Läsion": 1}


def test_several_images_are_numbered(tmp_path):
    datalist = read_datalist(scans_in(tmp_path / "scans", labeled=2, unlabeled=1, test=0))
    first, second = datalist.with_role(Role.TRAINING)
    both = replace(first, more_images=(second.image,))
    write_raw(tmp_path / "raw", [both], [], LABELS, ["T1", "FLAIR"])
    written = read_image(tmp_path / "raw" / "imagesTr" / "image001_0001.nrrd")
    assert np.array_equal(written.voxels, read_image(second.image).voxels)
    assert json.loads((tmp_path / "raw" / "dataset.json").read_text())["channel_names"] == {"0": "T1", "1": "FLAIR"}


def test_scans_and_label_maps_stay_on_their_grids(raw):
    datalist, folder = raw
    case = datalist.with_role(Role.TRAINING)[0]
    image, written = read_image(case.image), read_image(folder / "imagesTr" / "image001_0000.nrrd")
    assert not image.grid.difference(written.grid) and np.array_equal(image.voxels, written.voxels)
    truth, classes = read_label_map(case.label), read_label_map(folder / "labelsTr" / "image001.nrrd")
    assert not truth.grid.difference(classes.grid)
    assert np.array_equal(classes.voxels == 2, truth.voxels == 7) and set(np.unique(classes.voxels)) == {0, 1, 2}


def test_classes_are_numbered_in_order_and_other_values_are_background():
    voxels = np.array([[[0, 1, 7], [9, 300, 7]]], dtype=np.uint16)
    assert class_indices(voxels, (*LABELS, Label(300, "vessel"))).tolist() == [[[0, 1, 2], [0, 3, 2]]]
