"""What is said of regions, and in which order they are listed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from coranet.contract import Choice, Label, Region, Slide
from CoraNetSlicerLib.review.worklist import (
    RegionOrder,
    changes_text,
    column_titles,
    question_text,
    region_rows,
    region_title,
    rounded_ml,
    short_ml,
    slide_text,
    structure_text,
)

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


def rows_of(review):
    return region_rows(review.regions, review.review, review.loaded.labels)


def question_of(review, number):
    return question_text(review.regions.region(number), review.loaded.labels)


def test_a_row_tells_what_became_of_the_region(review):
    review.decide(2, "radical", "Ada")
    rows = rows_of(review)
    assert [row.number for row in rows] == [region.number for region in review.regions.regions]
    assert [row.is_decided for row in rows[:3]] == [False, True, False]
    assert (rows[0].status, rows[1].status) == ("open", "radical")
    assert "Decided by Ada." in rows[1].tool_tip and "Decided by" not in rows[0].tool_tip
    assert rows[1].ml == review.regions.region(2).volume_ml


def test_the_question_has_three_lines(review):
    lines = question_of(review, 1).split("\n")
    assert lines[0].startswith("Region 1: ") and lines[0].endswith(" mL.")
    assert lines[1].startswith("Conservative (1): ") and lines[2].startswith("Radical (2): ")


def test_a_place_is_called_so_wherever_it_is_named(review):
    block = review.regions.region(3)
    assert region_title(block) == "Region 3" and region_title(replace(block, kind="place")) == "Place 3"


def as_places(review, *where, left_ml=0.3):
    """The first regions of a review as places, each expected to have 0.2 mL wrong; the rest is gone."""
    regions = review.regions
    places = tuple(
        replace(region, kind="place", radius_mm=4.0, expected_wrong_ml=0.2, where=text)
        for region, text in zip(regions.regions, where, strict=False)
    )
    review.regions = replace(regions, regions=places, left_ml=left_ml)


class TestPlaces:
    def test_are_named_by_where_they_are(self, review):
        as_places(review, "upper left, back", "")
        first, second = rows_of(review)
        assert first.structure == f"{structure_of(review, 1)}: upper left, back"
        assert second.structure == structure_of(review, 2) and first.effect_ml == 0.2
        question = question_of(review, 1).split("\n")[0]
        assert question == f"Place 1: {first.structure}. About 0.20 mL wrong."

    def test_of_a_result_with_one_class_the_place_is_enough(self, review, a_result):
        as_places(review, "upper left")
        review.loaded = replace(a_result, labels=a_result.labels[:1])
        assert rows_of(review)[0].structure == "upper left"

    def test_what_is_left_is_said(self, review):
        as_places(review, "upper left", "lower right")
        assert review.progress == "0 of 2 reviewed. Still wrong if you stop here: about 0.7 mL"
        review.decide(1, "keep")
        assert review.progress == "1 of 2 reviewed. Still wrong if you stop here: about 0.5 mL"

    def test_their_columns_are_others(self):
        assert column_titles(True) == ["No.", "Place", "", "Wrong mL", "Status"]
        assert column_titles(False) == ["No.", "Structure", "mL", "Effect mL", "Status"]


def structure_of(review, number):
    return structure_text(replace(review.regions.region(number), where=""), LABELS)


@pytest.mark.parametrize(
    "ml, text", [(0.0, "0"), (0.0123, "0.01"), (0.444, "0.4"), (3.26, "3.3"), (12.3, "12"), (126.0, "126")]
)
def test_what_is_left_is_a_round_number(ml, text):
    assert rounded_ml(ml) == text


class TestSlideText:
    def test_says_the_gestures(self):
        assert slide_text(None, 0.0, LABELS).split("\n") == [
            "Shift + wheel moves the boundary (keys + and -).",
            "Shift + Ctrl + wheel changes the radius (keys [ and ]).",
        ]

    @pytest.mark.parametrize("ml, change", [(0.123, "+0.12"), (-0.0456, "-0.046")])
    def test_of_a_slide_under_way_it_says_what_it_changes_and_how_it_ends(self, ml, change):
        slide = Slide((1.0, 2.0, 3.0), 6.0, 0.2, grows=5, shrinks=0)
        assert slide_text(slide, ml, LABELS).split("\n") == [
            f"Tumor {change} mL, radius 6.0 mm.", "Press Enter to accept, Esc to discard.",
        ]  # fmt: skip


class TestOrder:
    @pytest.fixture
    def rows(self, review):
        first = rows_of(review)[0]
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
