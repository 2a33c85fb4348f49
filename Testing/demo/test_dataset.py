"""A dataset.json becomes volume and segmentation nodes with the names of its labels."""

from __future__ import annotations

import json

import numpy as np
import pytest
from dataset import load_dataset
from synthetic_predictions import PANCREAS, TUMOR, synthetic_heads, write_image
from voxels import segment_mask

from coranet.contract.errors import DataError

LABELS = {"0": "background", str(PANCREAS): "pancreas", str(TUMOR): "tumor"}


@pytest.fixture
def a_dataset(tmp_path):
    image = np.random.default_rng(1).normal(size=synthetic_heads()["segmentation"].shape).astype(np.float32)
    for name in ("a/scan.nrrd", "b/scan.nrrd", "c/scan.nrrd"):
        write_image(image, tmp_path / name)
    write_image(synthetic_heads()["segmentation"], tmp_path / "a/label.nrrd")
    path = tmp_path / "dataset.json"
    rows = {"training": [{"image": "a/scan.nrrd", "label": "a/label.nrrd"}], "unlabeled": [{"image": "b/scan.nrrd"}]}
    path.write_text(json.dumps({"labels": LABELS, **rows, "test": ["c/scan.nrrd"]}), encoding="utf-8")
    return path


def test_labels_become_segments_with_their_names_and_voxels(context, a_dataset):
    ((_, segmentation),) = load_dataset(context, a_dataset).training
    for name, value in (("pancreas", PANCREAS), ("tumor", TUMOR)):
        identifier = segmentation.GetSegmentation().GetSegmentIdBySegmentName(name)
        np.testing.assert_array_equal(
            segment_mask(segmentation, [identifier]), synthetic_heads()["segmentation"] == value
        )


def test_images_of_the_same_file_name_get_nodes_of_their_own(context, a_dataset):
    data = load_dataset(context, a_dataset)
    names = [data.training[0][0].GetName(), data.unlabeled[0].GetName(), data.test[0][0].GetName()]
    assert names == ["training scan", "unlabeled scan", "test scan"]


def test_a_test_image_without_label_is_taken(context, a_dataset):
    assert load_dataset(context, a_dataset).test[0][1] is None


def test_a_file_that_is_no_dataset_is_named(context, tmp_path):
    path = tmp_path / "dataset.json"
    path.write_text("[]", encoding="utf-8")
    with pytest.raises(DataError, match=r"dataset\.json' must be a dataset\.json with 'labels'"):
        load_dataset(context, path)


def test_a_missing_image_is_named(context, a_dataset):
    (a_dataset.parent / "b/scan.nrrd").unlink()
    with pytest.raises(DataError, match=r"scan\.nrrd' is missing"):
        load_dataset(context, a_dataset)
