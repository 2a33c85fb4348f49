"""The demo's table says what the voxels say."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from metrics import ClassRow, Scores, score, summary, write_csv, write_markdown
from synthetic_predictions import PANCREAS, SPACING_MM, TUMOR, synthetic_heads

VOXEL_ML = np.prod(SPACING_MM) / 1000


@pytest.fixture
def scores_against_the_radical_head(context, loaded):
    """The radical head's label map plays the person's."""
    truth = context.scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "truth")
    truth.SetReferenceImageGeometryParameterFromVolumeNode(loaded.volume)
    overlays = loaded.overlays.GetSegmentation()
    for label in loaded.labels:
        truth.GetSegmentation().CopySegmentFromSegmentation(overlays, f"radical-{label.value}")
        truth.GetSegmentation().GetSegment(f"radical-{label.value}").SetName(label.name)
    return score([loaded], {loaded.volume.GetName(): truth})


@pytest.mark.parametrize(("row", "value"), [(0, PANCREAS), (1, TUMOR)])
def test_dice_and_volumes_are_those_of_the_voxels(scores_against_the_radical_head, row, value):
    heads = synthetic_heads()
    result, truth = heads["segmentation"] == value, heads["radical"] == value
    scored = scores_against_the_radical_head.classes[row]
    assert scored.dice == pytest.approx(2 * (result & truth).sum() / (result.sum() + truth.sum()))
    assert scored.result_ml == pytest.approx(result.sum() * VOXEL_ML)
    assert scored.truth_ml == scored.radical_ml == pytest.approx(truth.sum() * VOXEL_ML)
    assert scored.conservative_ml < scored.result_ml < scored.radical_ml


def test_all_errors_against_the_radical_head_lie_in_the_uncertain_region(scores_against_the_radical_head):
    heads = synthetic_heads()
    wrong = heads["segmentation"] != heads["radical"]
    case = scores_against_the_radical_head.cases[0]
    assert case.errors_caught == pytest.approx((wrong & (heads["uncertain"] > 0)).sum() / wrong.sum())
    assert case.flagged == pytest.approx(heads["uncertain"].mean())
    assert case.conservative_outside_radical == 0.0


def test_scoring_leaves_no_node_behind(context, loaded):
    truth = loaded.segmentation
    before = context.scene.GetNumberOfNodes()
    perfect = score([loaded], {loaded.volume.GetName(): truth})
    assert context.scene.GetNumberOfNodes() == before
    assert perfect.mean_dice() == {"Pancreas": 1.0, "Tumor": 1.0}


def test_the_typical_case_is_the_one_in_the_middle():
    rows = [ClassRow(case, "organ", dice, 1, 1, 1, 1) for case, dice in (("a", 0.9), ("b", 0.2), ("c", 0.7))]
    assert Scores(rows, []).typical_case() == "c"


def test_tables_hold_a_row_for_each_class(scores_against_the_radical_head, tmp_path):
    write_csv(scores_against_the_radical_head, tmp_path / "metrics.csv")
    write_markdown(scores_against_the_radical_head, tmp_path / "metrics.md")
    with open(tmp_path / "metrics.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["structure"] for row in rows] == ["Pancreas", "Tumor"]
    assert float(rows[0]["errors_caught"]) == scores_against_the_radical_head.cases[0].errors_caught
    assert "test Dice: Pancreas 0." in summary(scores_against_the_radical_head)
    text = (tmp_path / "metrics.md").read_text(encoding="utf-8")
    assert f"| Pancreas | {scores_against_the_radical_head.classes[0].dice:.3f} |" in text
