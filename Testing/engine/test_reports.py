"""Results at a glance: what the page and the table say is what lies in the files."""

from __future__ import annotations

import csv
import re
from dataclasses import replace

import numpy as np
import pytest
from region_cases import prediction_of, shell_prediction
from scans import grid_of, scan_on, signed_permutations, tilted
from small_jobs import call, the_only_error

from coranet.contract import (
    Case,
    CaseDoubt,
    CasePromise,
    CaseQuality,
    Choice,
    Label,
    PredictionFiles,
    RegionList,
    Review,
    Role,
    write_json_atomic,
)
from coranet.contract.codec import to_json
from coranet.data.orientation import Orientation
from coranet.html.slices import UNCERTAIN_COLOR
from coranet.inference.prediction import arrays_of
from coranet.inference.result import Provenance, result_content
from coranet.regions.files import find_predictions, read_regions, write_regions
from coranet.regions.finding import RegionRule, find_regions
from coranet.reports.report import region_text, write_page
from coranet.reports.reported_case import PictureCounts, ReportedCases, reported_cases
from coranet.reports.thumbnails import OUTLINE_COLORS, region_picture
from coranet.volume import read_label_map, write_volume

LABELS = (Label(1, "organ"), Label(7, "lesion <b>"))
VOXEL_ML = 0.0025


@pytest.fixture
def a_case(tmp_path):
    """Writes a result with its scan and its regions: `a_case("a", prediction=..., has_regions=True)`."""

    def write(name: str = "a", prediction=None, has_regions: bool = True) -> PredictionFiles:
        prediction = prediction or shell_prediction(grid_of())
        files = PredictionFiles(tmp_path / "Ergebnisse ä" / name)
        for array, voxels in arrays_of(prediction).items():
            write_volume(getattr(files, array), voxels, grid_of())
        write_volume(tmp_path / f"{name}.nrrd", scan_on(grid_of()).voxels, grid_of())
        case = Case(name, Role.INPUT, str(tmp_path / f"{name}.nrrd"))
        result = result_content(case, prediction, grid_of(), Provenance("model", LABELS, 0.0))
        write_json_atomic(files.result, {**result, "regions": None, "seconds": {}})
        if has_regions:
            # All that is uncertain is in one of these.
            write_regions(files, find_regions(name, prediction, grid_of(), 0.0), grid_of())
        return files

    return write


def certain(prediction):
    """The same result, but the heads say what it says."""
    return prediction_of(*[prediction.segmentation] * 3)


def decide(files: PredictionFiles, choices: dict[int, Choice]) -> Review:
    regions = RegionList.read(files.regions)
    review = Review.of(regions)
    for number, choice in choices.items():
        review = review.with_decision(number, choice, "Ada")
    review.write(files.review)
    return review


def rows_of(path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


class TestCases:
    def test_what_was_told_of_a_case_is_in_it_and_on_the_page(self, a_case, tmp_path):
        files = a_case()
        warnings = ["the coarse network finds nothing <large> enough in 'a'; the whole scan is searched."]
        write_json_atomic(files.result, {**files.read_result(), "warnings": warnings})
        (case,) = reported_cases([files], PictureCounts(regions=0)).cases
        assert case.warnings == tuple(warnings)
        write_page(tmp_path / "page.html", ReportedCases((case,), {}), "a")
        assert "nothing &lt;large&gt; enough" in (tmp_path / "page.html").read_text(encoding="utf-8")

    def test_promise_expected_dice_and_bounds_are_on_the_page(self, a_case, tmp_path):
        files, plain = a_case("a"), a_case("b")
        bounds = {"organ": (58.0, 67.5), "lesion <b>": (0.0, 1.0)}
        promises = (
            CasePromise(0.8, 0.3, 0.85, 5, 2.1, 0.034, bounds, 0.7),
            CasePromise(0.9, 0.2, 1.4, 5, 3.0, 0.05, bounds, 0.75),
        )
        doubt = CaseDoubt("error_model", 1.0, promises, CaseQuality(0.874, "look", ("far larger.",)))
        write_json_atomic(files.result, {**files.read_result(), **to_json(doubt)})
        cases = reported_cases([files, plain], PictureCounts(regions=0)).cases
        write_page(tmp_path / "page.html", ReportedCases(cases, {}), "a")
        text = (tmp_path / "page.html").read_text(encoding="utf-8")
        assert "About 80 % of the errors deeper than 1 mm" in text
        assert "at least 70 % is promised" in text and "measured on 5 cases" in text
        assert "quality</th>" in text and "0.87 (look)" in text and "58 to 67.5" in text
        without = tuple(case for case in cases if case.uncertainty.case == "b")
        write_page(tmp_path / "plain.html", ReportedCases(without, {}), "b")
        assert "quality</th>" not in (tmp_path / "plain.html").read_text(encoding="utf-8")

    def test_the_most_uncertain_case_comes_first(self, a_case, tmp_path):
        a_case("sure", certain(shell_prediction(grid_of())))
        a_case("unsure")
        cases = reported_cases(find_predictions(tmp_path / "Ergebnisse ä"), PictureCounts()).cases
        assert [case.uncertainty.case for case in cases] == ["unsure", "sure"]
        assert [len(case.pictures) for case in cases] == [3, 0]
        assert [picture.region.number for picture in cases[0].pictures] == [1, 2, 3]

    def test_volumes_are_those_of_the_result(self, a_case):
        files = a_case()
        (case,) = reported_cases([files], PictureCounts()).cases
        maps = [read_label_map(path).voxels for path in (files.segmentation, files.conservative, files.radical)]
        for volume, value in zip(case.volumes, (1, 7), strict=True):
            members = np.array([labels == value for labels in maps])
            counted = [members[0].sum(), members.all(0).sum(), members.any(0).sum()]
            in_ml = [volume.segmentation, volume.conservative, volume.radical]
            assert in_ml == pytest.approx([count * VOXEL_ML for count in counted])
        assert case.reviewed_volumes == ()

    def test_a_decision_narrows_the_bounds_by_its_region(self, a_case):
        files = a_case()
        region = next(region for region in RegionList.read(files.regions).regions if region.radical == 7)
        decide(files, {region.number: Choice.RADICAL})
        (case,) = reported_cases([files], PictureCounts()).cases
        before, after = case.volumes[1], case.reviewed_volumes[1]
        assert after.conservative - before.conservative == pytest.approx(region.volume_ml)
        assert after.radical == pytest.approx(before.radical)
        assert after.segmentation - before.segmentation == pytest.approx(region.changes_ml["radical"][7])

    def test_when_all_is_decided_the_bounds_meet(self, a_case):
        files = a_case()
        regions = RegionList.read(files.regions)
        assert regions.left_out_ml == 0
        decide(files, {region.number: Choice.KEEP for region in regions.regions})
        (case,) = reported_cases([files], PictureCounts()).cases
        assert case.pictures == ()
        for before, after in zip(case.volumes, case.reviewed_volumes, strict=True):
            assert after.conservative == after.radical == after.segmentation == pytest.approx(before.segmentation)

    def test_what_was_painted_counts_as_painted(self, a_case):
        files = a_case()
        painted = np.zeros(grid_of().size_ijk[::-1], np.uint8)
        write_volume(files.reviewed, painted, grid_of())
        decide(files, {1: Choice.EDITED})
        (case,) = reported_cases([files], PictureCounts()).cases
        inside = read_regions(files).region_map == 1
        organ = (read_label_map(files.segmentation).voxels == 1) & ~inside
        assert case.reviewed_volumes[0].segmentation == pytest.approx(organ.sum() * VOXEL_ML)

    def test_without_regions_there_are_volumes_all_the_same(self, a_case):
        (case,) = reported_cases([a_case(has_regions=False)], PictureCounts()).cases
        assert (case.regions, case.review, case.pictures) == (None, None, ())
        assert case.volumes[0].segmentation > 0

    def test_pictures_are_as_many_as_wanted(self, a_case, tmp_path):
        for name in ("a", "b", "c"):
            a_case(name)
        cases = reported_cases(find_predictions(tmp_path / "Ergebnisse ä"), PictureCounts(regions=2, cases=1)).cases
        assert [len(case.pictures) for case in cases] == [2, 0, 0]

    @pytest.mark.slow
    @pytest.mark.parametrize("spoil", ["gone", "another grid"])
    def test_a_scan_that_is_not_there_is_drawn_black(self, a_case, tmp_path, spoil):
        files = a_case()
        (tmp_path / "a.nrrd").unlink()
        if spoil == "another grid":
            other = grid_of((9, 8, 7))
            write_volume(tmp_path / "a.nrrd", scan_on(other).voxels, other)
        (case,) = reported_cases([files], PictureCounts()).cases
        assert not case.has_scan and len(case.pictures) == 3
        colors = {tuple(pixel) for pixel in case.pictures[0].pixels.reshape(-1, 3).tolist()}
        assert (0, 0, 0) in colors and OUTLINE_COLORS["segmentation"] in colors


class TestPictures:
    def drawn(self, prediction, grid, scan=None):
        regions_found = find_regions("a", prediction, grid, 0.0, RegionRule(0, 1, smallest_ml=0))
        scan = np.zeros(prediction.segmentation.shape, np.float32) if scan is None else scan
        return [
            region_picture(prediction, grid, scan, regions_found.region_map, region)
            for region in regions_found.list.regions
        ]

    def pixels_with(self, picture, color) -> np.ndarray:
        return np.all(picture.pixels == np.array(color), axis=-1)

    def region_pixels(self, picture) -> np.ndarray:
        return self.pixels_with(picture, (np.array(UNCERTAIN_COLOR) * np.float32(0.35)).astype(np.uint8))

    def picture_as_stored(self, direction):
        """A region to the left and in front, the scan bright in front of it; 2 mm from foot to head."""
        orientation = Orientation.of(tuple(direction.ravel()))
        region, bright = np.zeros((2, 9, 30, 32), np.uint8)  # S, P, L
        region[4, 10:13, 18:21], bright[4, :9] = 1, 100
        region, bright = (np.ascontiguousarray(orientation.from_canonical(array)) for array in (region, bright))
        spacing = dict(zip(orientation.source_axis, (1.0, 1.0, 2.0), strict=True))
        grid = grid_of(region.shape[::-1], (spacing[0], spacing[1], spacing[2]), direction)
        (picture,) = self.drawn(prediction_of(0 * region, 0 * region, region), grid, bright.astype(np.float32))
        return picture

    def test_the_front_is_up_and_the_patients_left_on_the_right(self):
        picture = self.picture_as_stored(np.eye(3))
        rows, columns = np.nonzero(self.region_pixels(picture))
        # The window is 27 voxels wide, from 6 to 31, and the border cuts it at the left of the patient.
        assert (columns.mean() + 0.5) / picture.pixels.shape[1] > 0.5
        bright = np.flatnonzero((picture.pixels == 255).all(axis=2).all(axis=1))
        assert len(bright) and bright.max() < rows.min()

    @pytest.mark.parametrize("direction", signed_permutations()[1::7])
    def test_it_is_the_same_picture_however_the_scan_is_stored(self, direction):
        picture = self.picture_as_stored(tilted(direction, (5.0, 0.0, 0.0)))
        np.testing.assert_array_equal(picture.pixels, self.picture_as_stored(np.eye(3)).pixels)

    def test_the_region_is_filled_and_each_head_has_its_outline(self):
        grid = grid_of((24, 20, 16))
        pictures = self.drawn(shell_prediction(grid), grid)
        assert len(pictures) == 2
        for picture in pictures:
            assert picture.pixels.dtype == np.uint8 and max(picture.pixels.shape) == 256
            assert self.region_pixels(picture).any()
            for color in OUTLINE_COLORS.values():
                assert self.pixels_with(picture, color).any()

    def test_a_region_in_the_corner_is_drawn_whole(self):
        shape = grid_of().size_ijk[::-1]
        radical = np.zeros(shape, np.uint8)
        radical[:2, :3, -4:] = 7
        empty = np.zeros_like(radical)
        (picture,) = self.drawn(prediction_of(empty, empty, radical), grid_of())
        assert self.region_pixels(picture).any()


class TestCommand:
    def test_a_page_and_a_table_are_written(self, a_case, tmp_path, capsys):
        a_case("Fall 1")
        files = a_case("zwei & drei")
        decide(files, {1: Choice.RADICAL, 2: Choice.KEEP})
        folder = tmp_path / "Ergebnisse ä"
        assert call("report", folder) == 0
        assert capsys.readouterr().out == f"{folder / 'report.html'}\n"
        html = (folder / "report.html").read_text(encoding="utf-8")
        assert html.count("<img ") == 2 * 3
        assert "zwei &amp; drei" in html and "lesion &lt;b&gt;" in html and "<b>organ" not in html
        assert "1 keep, 1 radical" in html and "bounds after review, mL" in html
        assert not re.search(r"""(src|href)=["'](?!data:|#)""", html), "the page needs nothing else"
        rows = rows_of(folder / "report.csv")
        assert [(row["rank"], row["case"], row["class"]) for row in rows] == [
            ("1", "Fall 1", "organ"), ("1", "Fall 1", "lesion <b>"),
            ("2", "zwei & drei", "organ"), ("2", "zwei & drei", "lesion <b>"),
        ]  # fmt: skip
        assert rows[0]["reviewed_ml"] == "" and float(rows[2]["reviewed_ml"]) > 0
        volumes = files.read_result()["volumes_ml"]["organ"]
        assert float(rows[0]["segmentation_ml"]) == pytest.approx(volumes["segmentation"], rel=1e-5)
        assert "of the predicted" in rows[0]["reason"]

    def test_it_can_be_written_elsewhere(self, a_case, tmp_path):
        files = a_case()
        args = ("--output", tmp_path / "elsewhere", "--regions", "1", "--cases", "1")
        assert call("report", files.folder, *args) == 0
        assert (tmp_path / "elsewhere" / "report.html").read_text(encoding="utf-8").count("<img ") == 1
        assert not (files.folder / "report.html").exists()

    def test_cases_without_regions_are_told(self, a_case):
        files = a_case(has_regions=False)
        assert call("report", files.folder) == 0
        assert "<code>coranet regions" in (files.folder / "report.html").read_text(encoding="utf-8")

    @pytest.mark.parametrize("damaged", ["result", "regions", "segmentation"])
    def test_a_damaged_result_does_not_hide_the_others(self, a_case, tmp_path, capsys, damaged):
        a_case("whole")
        path = getattr(a_case("torn <1>"), damaged)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        folder = tmp_path / "Ergebnisse ä"
        assert call("report", folder) == 3
        message = the_only_error(capsys)
        assert "1 result is damaged and not in the report: " in message and path.name in message
        html = (folder / "report.html").read_text(encoding="utf-8")
        assert "not in this report" in html and "torn &lt;1&gt;" in html
        assert {row["case"] for row in rows_of(folder / "report.csv")} == {"whole"}

    def test_where_all_results_are_damaged_there_is_no_report(self, a_case, capsys):
        files = a_case()
        files.result.write_text("{", encoding="utf-8")
        assert call("report", files.folder) == 5
        assert "result.json" in the_only_error(capsys) and not (files.folder / "report.html").exists()

    @pytest.mark.parametrize("option", ["--regions", "--cases"])
    def test_a_number_below_nothing_is_said(self, a_case, capsys, option):
        assert call("report", a_case().folder, option, "-1") == 2
        assert f"{option} expects a number of at least 0, got -1" in the_only_error(capsys)

    def test_a_folder_without_results_is_said(self, tmp_path, capsys):
        assert call("report", tmp_path) == 5
        assert "holds no complete result" in the_only_error(capsys)


def test_a_region_is_told_in_words(a_case):
    region = RegionList.read(a_case().regions).regions[0]
    region = replace(
        region, volume_ml=1.25, conservative=0, radical=7, mean_uncertainty=0.834,
        changes_ml={"conservative": {7: -0.25, 1: 0.0}, "radical": {1: -0.5, 7: 1.0}},
    )  # fmt: skip
    assert region_text(region, {1: "organ", 7: "lesion"}) == (
        "1.25 mL, background or lesion, 83 % uncertain; conservative: lesion -0.25 mL; "
        "radical: organ -0.5 mL, lesion +1 mL"
    )
