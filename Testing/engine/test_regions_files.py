"""Regions of results that lie on the disk, and results that are moved to another caution."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest
import torch
from region_cases import prediction_of, random_prediction, shell_prediction
from scans import grid_of, scan_on
from small_jobs import call, the_only_error

from coranet.contract import (
    Case,
    Choice,
    Datalist,
    Job,
    JobKind,
    Label,
    PredictionFiles,
    RegionList,
    Review,
    Role,
    write_json_atomic,
)
from coranet.contract.config import SegmentConfig
from coranet.contract.errors import DataError, JobError
from coranet.inference.caution import at_caution
from coranet.inference.prediction import arrays_of, on_own_grid
from coranet.inference.result import Provenance, result_content
from coranet.networks import HeadLogits
from coranet.regions.files import WrittenCase, find_predictions, make_regions, read_regions, write_regions
from coranet.regions.finding import find_regions
from coranet.regions.places import find_places
from coranet.volume import read_image, read_label_map, write_volume

LABELS = (Label(1, "organ"), Label(7, "lesion"))


@pytest.fixture
def written(tmp_path):
    """Writes a result as a segmentation does: `written("a", prediction=...)` -> its files."""

    def write(name: str = "a", prediction=None, folder=None, caution: float = 0.0) -> PredictionFiles:
        prediction = prediction or shell_prediction(grid_of())
        files = PredictionFiles((folder or tmp_path / "results") / name)
        for array, voxels in arrays_of(prediction).items():
            write_volume(getattr(files, array), voxels, grid_of())
        case = Case(name, Role.INPUT, "scan.nrrd")
        result = result_content(case, prediction, grid_of(), Provenance("model", LABELS, caution))
        write_json_atomic(files.result, {**result, "regions": None, "seconds": {}})
        return files

    return write


def test_regions_come_back_as_they_were_written(tmp_path):
    regions_found = find_regions("a", random_prediction(), grid_of(), 0.25)
    files = PredictionFiles(tmp_path / "Fall ä")
    write_regions(files, regions_found, grid_of())
    back = read_regions(files)
    assert back.list == regions_found.list
    np.testing.assert_array_equal(back.region_map, regions_found.region_map)
    assert read_label_map(files.region_map).grid.difference(grid_of()) == ""


def test_a_case_comes_back_as_it_was_written(written):
    prediction = random_prediction()
    case = WrittenCase.read(written("a", prediction))
    for name, voxels in arrays_of(prediction).items():
        np.testing.assert_array_equal(getattr(case.prediction, name), voxels)
        assert getattr(case.prediction, name).dtype == voxels.dtype
    assert (case.name, case.caution, [asdict(label) for label in case.labels]) == (
        "a",
        0.0,
        [asdict(label) for label in LABELS],
    )


def test_a_result_that_has_none_gets_regions(written):
    files = written("a", random_prediction())
    regions = make_regions(files)
    expected = find_places("a", random_prediction(), grid_of(), 0.0)
    assert regions.regions == expected.list.regions == RegionList.read(files.regions).regions
    assert files.read_result()["regions"] == len(regions.regions)


def test_cases_are_found_in_a_job_in_its_predictions_and_alone(written, tmp_path):
    cases = tuple(Case(name, Role.INPUT, "scan.nrrd") for name in ("a", "b", "c"))
    job = Job.create(tmp_path / "job", JobKind.SEGMENT, SegmentConfig("model"), Datalist(cases))
    for name in ("b", "a"):
        written(name, folder=job.prediction_folder(""))
    job.prediction_folder("c").mkdir()
    for folder in (job.folder, job.prediction_folder("")):
        assert [files.folder for files in find_predictions(folder)] == [job.prediction_folder(name) for name in "ab"]
    assert [files.folder for files in find_predictions(job.prediction_folder("b"))] == [job.prediction_folder("b")]


@pytest.mark.parametrize(("name", "reason"), [("", "holds no complete result"), ("nowhere", "does not exist")])
def test_a_folder_without_a_result_is_an_error(tmp_path, name, reason):
    with pytest.raises(JobError, match=f"{reason}; choose the folder of a segmentation job"):
        find_predictions(tmp_path / name)


def test_images_on_another_grid_are_an_error(written):
    files = written()
    write_volume(files.radical, np.zeros((4, 5, 6), np.uint8), grid_of((6, 5, 4)))
    with pytest.raises(DataError, match=r"radical\.nrrd' has a different grid than the other files of its case"):
        make_regions(files)


def test_a_result_without_labels_is_an_error(written):
    files = written()
    write_json_atomic(files.result, {"case": "a"})
    with pytest.raises(JobError, match="names no case or no labels"):
        make_regions(files)


class TestAnotherCaution:
    def logits(self, classes: int, seed: int = 0):
        """Heads whose radical margin is never below the conservative one, as they are trained to be."""
        generator = torch.Generator().manual_seed(seed)
        shape = grid_of().size_ijk[::-1]
        common = 2 * torch.randn((classes, *shape), generator=generator)
        lead = torch.rand((1, *shape), generator=generator)
        change = torch.cat([lead, -lead.expand(classes - 1, *shape)])
        return HeadLogits(common, common + change, common - change)

    @pytest.fixture
    def predicted(self):
        """What the network says at a caution: `predicted(classes, caution)`."""

        def predict(classes: int, caution: float):
            # On axes that need no turning or resampling, so that logits stay as they are.
            scan = scan_on(grid_of(direction=np.eye(3)))
            return on_own_grid(self.logits(classes), scan, LABELS[: classes - 1], caution)

        return predict

    @pytest.mark.parametrize(("before", "after"), [(0.0, 1.0), (0.5, 2.0), (0.0, 0.0), (1.0, 0.2), (0.0, -0.3)])
    def test_with_one_label_it_is_what_the_network_says(self, predicted, before, after):
        moved = at_caution(predicted(2, before), grid_of(), (1,), after)
        for name, voxels in arrays_of(predicted(2, after)).items():
            np.testing.assert_array_equal(getattr(moved, name), voxels, err_msg=name)

    @pytest.mark.parametrize(("before", "after"), [(0.0, 1.0), (0.5, 0.1), (0.3, -0.5)])
    def test_with_more_labels_the_region_is_that_of_the_network(self, predicted, before, after):
        moved, expected = at_caution(predicted(3, before), grid_of(), (1, 7), after), predicted(3, after)
        np.testing.assert_array_equal(moved.uncertain, expected.uncertain)
        certain = expected.uncertain == 0
        np.testing.assert_array_equal(moved.conservative[certain], moved.radical[certain])
        for name in ("conservative", "radical"):
            assert np.mean(getattr(moved, name) == getattr(expected, name)) > 0.8

    def test_background_that_becomes_uncertain_gets_the_nearest_structure(self):
        shape = grid_of().size_ijk[::-1]
        labels = np.zeros(shape, np.uint8)
        labels[2:7, 2:9, 2:5], labels[2:7, 2:9, 9:13] = 1, 7
        uncertainty = np.full(shape, 0.01)
        uncertainty[4, 5, 5:9] = 0.3
        moved = at_caution(prediction_of(labels, labels, labels, uncertainty), grid_of(), (1, 7), 2.0)
        assert moved.radical[4, 5].tolist()[4:10] == [1, 1, 1, 7, 7, 7]
        assert moved.conservative[4, 5].tolist()[4:10] == [1, 0, 0, 0, 0, 7]

    def test_where_no_structure_was_found_the_first_label_is_taken(self):
        empty = np.zeros(grid_of().size_ijk[::-1], np.uint8)
        moved = at_caution(prediction_of(empty, empty, empty), grid_of(), (7, 1), 2.0)
        assert set(moved.radical.ravel()) == {7} and not moved.conservative.any()

    def test_the_files_say_the_same(self, written):
        files = written("a", random_prediction())
        before = files.read_result()
        files.surface("radical-1").parent.mkdir()
        files.surface("radical-1").touch()
        regions = make_regions(files, 1.5)
        result = files.read_result()
        assert regions.caution == result["caution"] == 1.5
        uncertain = read_label_map(files.uncertain).voxels
        np.testing.assert_array_equal(
            read_image(files.uncertainty).voxels >= result["uncertainty_threshold"], uncertain
        )
        assert result["uncertain_ml"] == pytest.approx(uncertain.sum() * 0.0025)
        maps = [read_label_map(path).voxels for path in (files.segmentation, files.conservative, files.radical)]
        is_lesion = np.array([labels == 7 for labels in maps]).any(0)
        assert result["volumes_ml"]["lesion"]["radical"] == pytest.approx(is_lesion.sum() * 0.0025)
        assert result["volumes_ml"]["organ"]["segmentation"] == before["volumes_ml"]["organ"]["segmentation"]
        assert not files.surface("radical-1").exists()
        again = WrittenCase.read(files)
        assert find_places("a", again.prediction, again.grid, 1.5).list.regions == regions.regions


class TestCommand:
    def test_all_cases_of_a_folder_get_places_and_the_first_ones_are_told(self, written, capsys):
        files = [written(name) for name in ("a", "b")]
        assert call("regions", files[0].folder.parent) == 0
        out = capsys.readouterr().out
        for file in files:
            regions = RegionList.read(file.regions)
            assert f"{file.folder.name}: {len(regions.regions)} places, " in out
            lines = 2 + min(5, len(regions.regions))
        assert "mL expected to be wrong" in out and "expected to be wrong elsewhere" in out
        assert out.count("\n") == 2 * lines

    def test_the_dial_can_be_moved_and_the_smallest_region_said(self, written, capsys):
        files = written("a", random_prediction())
        assert call("regions", files.folder, "--caution", "0.5", "--smallest-ml", "0.1") == 0
        regions = RegionList.read(files.regions)
        assert (regions.caution, regions.smallest_ml) == (0.5, pytest.approx(0.1))
        assert files.read_result()["caution"] == 0.5
        assert "at the caution 0.5" in capsys.readouterr().out

    @pytest.mark.parametrize(
        ("args", "message"),
        [
            (("--caution", "nan"), "'caution' must be a number, got nan"),
            (("--caution", "1000"), "'caution' must be a value from -20 to 20, got 1000.0"),
            (("--smallest-ml", "-1"), "at least 0 mL, got -1.0"),
        ],
    )
    def test_numbers_that_are_none_are_said(self, written, capsys, args, message):
        assert call("regions", written().folder, *args) == 2
        assert message in the_only_error(capsys)

    def test_a_folder_without_results_is_said(self, tmp_path, capsys):
        assert call("regions", tmp_path) == 5
        assert "holds no complete result" in the_only_error(capsys)
        assert call("regions", tmp_path / "none") == 5
        assert "none' does not exist; choose the folder" in the_only_error(capsys)

    @pytest.mark.slow
    def test_a_review_is_not_lost(self, written, capsys):
        files = written("a", random_prediction())
        regions = make_regions(files)
        review = Review.of(regions).with_decision(1, Choice.RADICAL)
        review.write(files.review)
        assert call("regions", files.folder) == 0 and capsys.readouterr().out
        assert Review.read(files.review, RegionList.read(files.regions)) == review
        for others in (("--caution", "1"), ("--smallest-ml", "0.1")):
            assert call("regions", files.folder, *others) == 5
            assert "is a review of the places as they are" in the_only_error(capsys)
            assert Review.read(files.review, RegionList.read(files.regions)) == review
        assert files.read_result()["caution"] == 0
        files.review.unlink()
        assert call("regions", files.folder, "--caution", "1") == 0

    def test_the_list_is_read_by_whoever_reads_json(self, written):
        files = written()
        make_regions(files)
        content = json.loads(files.regions.read_text(encoding="utf-8"))
        assert content["schema_version"] == 1 and content["regions"][0]["number"] == 1
