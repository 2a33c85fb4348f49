"""What is said of regions, and in which order they are listed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from coranet.contract import Choice, Label, Region
from CoraNetSlicerLib.review.worklist import RegionOrder, changes_text, question_text, region_rows, short_ml

LABELS = (Label(2, "Pancreas"), Label(5, "Tumor"))


def a_region(**changes) -> Region:
    return Region(
        number=1, conservative=0, radical=2, voxels=10, volume_ml=0.5, bounds_ijk=((0, 1), (0, 1), (0, 1)),
        extent_mm=(1.0, 1.0, 1.0), center_ijk=(0, 0, 0), center_lps_mm=(0.0, 0.0, 0.0), mean_uncertainty=0.6,
        peak_uncertainty=0.9, surface_share=0.1, changes_ml=changes, expected_effect_ml=0.3,
    )  # fmt: skip


@pytest.mark.parametrize(
    "changes, text",
    [
        ({2: 0.614}, "+0.61 mL Pancreas"),
        ({2: -0.42, 5: 0.051}, "-0.42 mL Pancreas, +0.051 mL Tumor"),
        ({2: 0.0, 5: 0.0001}, "no change"),
        ({7: 12.34}, "+12.3 mL 7"),
        ({}, "no change"),
    ],
)
def test_what_a_choice_changes(changes, text):
    assert changes_text(a_region(radical=changes), Choice.RADICAL, LABELS) == text
    assert changes_text(a_region(radical=changes), Choice.CONSERVATIVE, LABELS) == "no change"


@pytest.mark.parametrize("ml, text", [(0.0441, "0.044"), (0.1, "0.10"), (9.876, "9.88"), (12.34, "12.3")])
def test_small_volumes_keep_their_digits(ml, text):
    assert short_ml(ml) == text


def test_a_row_tells_what_became_of_the_region(review):
    review.decide(2, "radical", "Ada")
    rows = region_rows(review)
    assert [row.number for row in rows] == [region.number for region in review.regions.regions]
    assert [row.is_decided for row in rows[:3]] == [False, True, False]
    assert (rows[0].status, rows[1].status) == ("open", "radical")
    assert "Decided by Ada." in rows[1].tool_tip and "Decided by" not in rows[0].tool_tip
    assert rows[1].ml == review.regions.region(2).volume_ml


def test_the_question_has_three_lines(review):
    lines = question_text(review, 1).split("\n")
    assert lines[0].startswith("Region 1: ") and lines[0].endswith("open.")
    assert lines[1].startswith("Conservative (1): ") and lines[2].startswith("Radical (2): ")


class TestOrder:
    @pytest.fixture
    def rows(self, review):
        first = region_rows(review)[0]
        sizes = [(1, "Tumor", 0.2), (2, "Pancreas", 0.5), (3, "Pancreas", 0.2)]
        return [replace(first, number=number, structure=name, ml=ml) for number, name, ml in sizes]

    def numbers(self, order, rows):
        return [row.number for row in order.sorted(rows)]

    def test_by_rank_at_first(self, rows):
        assert self.numbers(RegionOrder(), rows[::-1]) == [1, 2, 3]

    def test_the_largest_first_and_equal_ones_by_rank(self, rows):
        order = RegionOrder()
        order.click("ml")
        assert self.numbers(order, rows[::-1]) == [2, 1, 3]
        order.click("ml")
        assert self.numbers(order, rows) == [1, 3, 2]

    def test_names_from_a(self, rows):
        order = RegionOrder()
        order.click("structure")
        assert self.numbers(order, rows) == [2, 3, 1]
        order.click("number")
        assert self.numbers(order, rows) == [1, 2, 3]
