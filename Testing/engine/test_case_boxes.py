from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from small_organs import ORGAN_SIZE, SHAPE, a_scan_with_organs
from torch import nn

from coranet.coarse.finding import CoarseNetwork
from coranet.coarse.part import CoarsePart
from coranet.coarse.scans import LabeledScan
from coranet.contract import Case, Role
from coranet.contract.config import InferenceConfig
from coranet.contract.events import Warned
from coranet.data.box import Box
from coranet.data.cache import prepare_case
from coranet.data.preprocessing import Preprocessing
from coranet.inference.network_pass import SlidingWindow
from coranet.networks import HeadLogits
from coranet.training.case_boxes import Found, prepare_boxes
from coranet.volume import read_image, read_label_map, write_volume

MARGIN_MM = (2.0, 2.5, 4.0)
STARTS = {"training": (3, 4, 5), "unlabeled": (12, 18, 20), "validation": (6, 10, 12), "partial": (14, 2, 3)}


class BrightIsFound(nn.Module):
    """The radical head finds what is brighter than a z-score, the others nothing."""

    threshold = 3.5

    def forward(self, images: torch.Tensor) -> HeadLogits:
        nothing = torch.cat([torch.ones_like(images), torch.zeros_like(images)], dim=1)
        radical = torch.cat([torch.zeros_like(images), 9 * (images - self.threshold)], dim=1)
        return HeadLogits(nothing, nothing, radical)


@pytest.fixture
def a_coarse_network(a_tiny_architecture, a_cpu) -> CoarseNetwork:
    architecture = replace(a_tiny_architecture, classes=2)
    part = CoarsePart(architecture, Preprocessing((1.0, 1.25, 2.0), "zscore"), MARGIN_MM, 100.0)
    return CoarseNetwork(part, BrightIsFound(), SlidingWindow.of(architecture, InferenceConfig(), a_cpu))


@pytest.fixture
def cases(tmp_path) -> dict[str, Case]:
    created = {}
    for number, (name, start) in enumerate(STARTS.items()):
        image, labels = a_scan_with_organs(number, [start])
        paths = {part: str(tmp_path / f"{name}-{part}.nrrd") for part in ("image", "label", "known")}
        write_volume(paths["image"], image.voxels, image.grid)
        write_volume(paths["label"], labels.voxels, labels.grid)
        role = Role("training" if name == "partial" else name)
        case = Case(name, role, paths["image"], None if name == "unlabeled" else paths["label"])
        if name == "partial":
            write_volume(paths["known"], labels.voxels, labels.grid)
            case = replace(case, known=paths["known"])
        created[name] = case
    return created


@pytest.fixture
def found(cases, a_coarse_network, a_reporter, tmp_path) -> Found:
    recipe = a_coarse_network.part.preprocessing
    prepared = [prepare_case(case, recipe, [1], tmp_path / "cache", merged=True) for case in cases.values()]
    return Found(a_coarse_network, prepared, a_reporter)


def with_margin(name: str) -> Box:
    start = STARTS[name]
    stop = tuple(first + count for first, count in zip(start, ORGAN_SIZE, strict=True))
    return Box(start, stop).grown((2, 2, 2), SHAPE)


def scans_of(cases) -> dict[str, LabeledScan]:
    chosen = [case for case in cases.values() if case.role is Role.TRAINING]
    return {case.id: LabeledScan.of(case.id, read_image(case.image), read_label_map(case.label)) for case in chosen}


def test_each_case_has_the_box_of_its_labels_or_of_what_was_found(cases, found, a_coarse_network):
    boxes = found.boxes(a_coarse_network.part, scans_of(cases))
    assert boxes == {name: (with_margin(name),) for name in STARTS}


def test_labels_that_are_known_everywhere_rule_whatever_was_found(cases, found, a_coarse_network):
    moved = {name: replace(scan, parts=scans_of(cases)["training"].parts) for name, scan in scans_of(cases).items()}
    boxes = found.boxes(a_coarse_network.part, moved)
    assert boxes["training"] == (with_margin("training"),)
    assert boxes["partial"] == (with_margin("training"), with_margin("partial"))


def test_a_case_in_which_nothing_is_found_is_looked_at_whole(
    cases, a_coarse_network, a_reporter, tmp_path, monkeypatch
):
    monkeypatch.setattr(BrightIsFound, "threshold", 100.0)
    recipe = a_coarse_network.part.preprocessing
    prepared = [prepare_case(case, recipe, [1], tmp_path / "cache", merged=True) for case in cases.values()]
    case_boxes = Found(a_coarse_network, prepared, a_reporter)
    boxes = case_boxes.boxes(a_coarse_network.part, scans_of(cases))
    assert boxes["unlabeled"] == boxes["validation"] == ()
    assert [event.code for event in a_reporter.events if isinstance(event, Warned)] == ["not_found"] * 3
    assert case_boxes.warnings == [event for event in a_reporter.events if isinstance(event, Warned)]
    assert "finds the structures nowhere" in case_boxes.in_words(a_coarse_network.part, boxes)


@pytest.mark.parametrize(
    "answer",
    [(3.5, (with_margin("training"),), []), (100.0, (), ["looked_at_whole"])],
    ids=["something found", "nothing found"],
)
def test_a_labeled_case_without_a_structure_teaches_where_something_is_taken_for_one(
    cases, a_coarse_network, a_reporter, tmp_path, monkeypatch, answer
):
    threshold, expected, codes = answer
    monkeypatch.setattr(BrightIsFound, "threshold", threshold)
    labels = read_label_map(cases["training"].label)
    write_volume(cases["training"].label, 0 * labels.voxels, labels.grid)
    prepared = [prepare_case(cases["training"], a_coarse_network.part.preprocessing, [1], tmp_path, merged=True)]
    case_boxes = Found(a_coarse_network, prepared, a_reporter)
    boxes = case_boxes.boxes(a_coarse_network.part, scans_of({"training": cases["training"]}))
    assert boxes == {"training": expected}
    assert case_boxes.missed(Role.TRAINING) == [] and case_boxes.warnings == []
    assert [event.code for event in a_reporter.events] == codes


def test_what_was_missed_is_told_of_the_validation_cases(cases, found, a_coarse_network):
    part = a_coarse_network.part
    assert found.missed(Role.VALIDATION) == [(0.0, 0.0, 0.0)]
    sentence = found.in_words(part, found.boxes(part, scans_of(cases)))
    assert "within 0.0 mm on the 1 validation cases; boxes with 2 to 4 mm around what it finds" in sentence


def test_a_case_is_prepared_box_by_box_and_tells_what_was_missed(cases, tmp_path):
    recipe = Preprocessing((1.0, 1.25, 2.0), "zscore")
    # The organ has 5 rows from row 6 on; rows 8 and 9 lie in no box.
    boxes = (Box((0, 0, 0), (8, 30, 36)), Box((10, 0, 0), (20, 30, 36)))
    pieces = prepare_boxes(cases["validation"], recipe, [1], tmp_path / "cache", boxes)
    assert [piece.box for piece in pieces] == list(boxes)
    assert [piece.missed for piece in pieces] == [(2 * 8 * 9,), ()]
    whole = prepare_boxes(cases["validation"], recipe, [1], tmp_path / "cache", ())
    assert [piece.box for piece in whole] == [None] and whole[0].missed == ()
    for piece in pieces:
        np.testing.assert_array_equal(piece.labels, np.asarray(whole[0].labels)[piece.box.slices])
