"""From reviewed cases to a training that goes on: what becomes truth, whose cases join, what is left where it was."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from scene_builders import labels_of
from segmentation_parts import write_model
from synthetic_predictions import CASE_ID, LABELS, PANCREAS, synthetic_heads, write_image

from coranet.contract import Case, Choice, Datalist, Job, JobKind, Label, PredictionFiles, Role
from coranet.contract.config import TrainConfig
from coranet.contract.errors import ConfigError, DataError, ModelError
from CoraNetSlicerLib.review import improvement
from CoraNetSlicerLib.review.improvement import (
    find_training,
    improving_config,
    require_training,
    take_over_files,
    with_promoted,
)

HEADS = synthetic_heads()
CLASSES = tuple(Label(**label) for label in LABELS)


def read(path: Path) -> np.ndarray:
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))


@pytest.fixture
def region_map(its_files):
    return read(its_files.region_map)


@pytest.fixture
def promoted(review):
    review.decide(1, Choice.RADICAL)
    review.decide(2, Choice.KEEP)
    return review.promote()


@pytest.fixture
def a_training(tmp_path):
    """A finished training: two labeled cases, one that validates, one unlabeled, the first exported by Slicer."""
    folder = tmp_path / "train 1"
    for name in ("a", "b", "v"):
        write_image(HEADS["segmentation"].astype(np.float32), folder / "images" / f"{name}.nrrd")
        write_image(HEADS["segmentation"], folder / "labels" / f"{name}.nrrd")
    write_image(HEADS["segmentation"].astype(np.float32), folder / "images" / "u.nrrd")
    elsewhere = tmp_path / "archive" / "w.nrrd"
    write_image(HEADS["segmentation"].astype(np.float32), elsewhere)
    cases = (
        Case("a", Role.TRAINING, "images/a.nrrd", "labels/a.nrrd"),
        Case("b", Role.TRAINING, "images/b.nrrd", "labels/b.nrrd"),
        Case("v", Role.VALIDATION, "images/v.nrrd", "labels/v.nrrd"),
        Case("u", Role.UNLABELED, "images/u.nrrd"),
        Case("w", Role.UNLABELED, str(elsewhere)),
    )
    config = TrainConfig.from_preset("quick", {"training.self_training_steps": 77, "seed": 3})
    job = Job.create(folder, JobKind.TRAIN, config, Datalist(cases, CLASSES))
    write_model(job.model_folder, LABELS, preset="quick")
    return job


class TestPromoting:
    def test_the_files_say_what_each_voxel_is_and_where_this_is_known(
        self, review, promoted, a_result, its_files, region_map
    ):
        np.testing.assert_array_equal(read(its_files.reviewed), labels_of(a_result))
        np.testing.assert_array_equal(read(its_files.known), np.isin(region_map, (1, 2)))
        reviewed, scan = (sitk.ReadImage(str(path)) for path in (its_files.reviewed, its_files.segmentation))
        assert reviewed.GetSize() == scan.GetSize()
        assert reviewed.GetOrigin() == pytest.approx(scan.GetOrigin(), abs=1e-4)
        assert reviewed.GetDirection() == pytest.approx(scan.GetDirection(), abs=1e-6)
        assert promoted.regions == 2 and promoted.name == CASE_ID and promoted.labels == a_result.labels

    def test_are_those_that_the_engine_makes(self, context, review, its_files, region_map):
        from coranet.inference.prediction import Prediction
        from coranet.regions.decisions import reviewed_maps

        for region in review.regions.regions[::2]:
            review.decide(region.number, ("conservative", "radical", "keep")[region.number % 3])
        review.promote(trust_certain=True)
        names = ("segmentation", "conservative", "radical", "uncertain", "uncertainty")
        heads = Prediction(*(HEADS[name] for name in names))
        labels, known = reviewed_maps(heads, review.regions, region_map, review.review)
        np.testing.assert_array_equal(read(its_files.reviewed), labels)
        np.testing.assert_array_equal(read(its_files.known), known)

    def test_what_is_certain_counts_if_the_person_says_so(self, review, promoted, its_files, region_map):
        review.promote(trust_certain=True)
        certain = (HEADS["uncertain"] == 0) & (HEADS["conservative"] == HEADS["radical"])
        np.testing.assert_array_equal(read(its_files.known) == 1, certain | np.isin(region_map, (1, 2)))
        assert json.loads(its_files.review.read_text(encoding="utf-8"))["trusts_certain"] is True
        review.promote()
        assert read(its_files.known).sum() > certain.sum()
        review.promote(trust_certain=False)
        np.testing.assert_array_equal(read(its_files.known) == 1, np.isin(region_map, (1, 2)))

    def test_classes_that_overlap_are_refused(self, review, promoted, a_result):
        segmentation = a_result.segmentation.GetSegmentation()
        segmentation.SeparateSegmentLabelmap(f"segmentation-{PANCREAS}")
        voxels = review.voxels(1)
        both = {f"segmentation-{label.value}": np.ones(int(voxels.box.mask.sum()), bool) for label in CLASSES}
        review.layers.write(voxels.box, both)
        with pytest.raises(DataError, match="'(Pancreas|Tumor)' and '(Pancreas|Tumor)' of .* overlap"):
            review.promote()

    def test_labels_are_those_of_the_model(self, review, a_result):
        a_result.segmentation.GetSegmentation().GetSegment(f"segmentation-{PANCREAS}").SetName("Renamed")
        review.decide(1, Choice.KEEP)
        assert review.promote().labels == CLASSES

    def test_without_a_decision_there_is_nothing_to_teach(self, review):
        with pytest.raises(DataError, match="nothing of '.*' is decided yet"):
            review.promote()

    def test_the_scan_is_looked_for_where_the_job_is_now(self, review, promoted, a_segmented_job):
        assert Path(promoted.image).is_file()
        Path(promoted.image).unlink()
        with pytest.raises(DataError, match=r"the scan of .* was moved or deleted"):
            review.promote()

    def test_without_files_it_is_said(self, context, review, a_result):
        from CoraNetSlicerLib.review.review_opening import open_review

        review.decide(1, Choice.KEEP)
        with pytest.raises(DataError, match="the files of .* were moved or deleted"):
            open_review(context, a_result, None).promote()


class TestFindingTheTraining:
    def test_by_itself_its_folder_or_its_models(self, a_training):
        for model in (a_training, a_training.folder, str(a_training.folder), a_training.model_folder):
            assert find_training(model).folder == a_training.folder

    def test_a_model_that_was_copied_has_none(self, a_training, tmp_path):
        shutil.copytree(a_training.model_folder, tmp_path / "copied" / "model")
        assert find_training(tmp_path / "copied" / "model") is None
        with pytest.raises(ModelError, match=r"no longer exists.* give them: improve\(model, cases, labeled="):
            require_training(tmp_path / "copied" / "model")

    def test_a_segmentation_is_none(self, a_segmented_job):
        with pytest.raises(ModelError, match="is a segmentation, expected a training"):
            find_training(a_segmented_job)


class TestSettings:
    def test_are_those_of_the_training_before(self, a_training):
        config = improving_config(a_training)
        assert config.training.initial_model == str(a_training.model_folder)
        assert (config.training.self_training_steps, config.seed, config.preset) == (77, 3, "quick")

    def test_single_ones_can_change(self, a_training):
        config = improving_config(a_training, {"training.self_training_steps": 9})
        assert (config.training.self_training_steps, config.seed) == (9, 3)

    def test_it_goes_on_with_self_training_where_decisions_teach(self, a_training):
        assert a_training.read_config().training.pretraining_steps > 0
        assert improving_config(a_training).training.pretraining_steps == 0
        assert improving_config(a_training, {"training.pretraining_steps": 5}).training.pretraining_steps == 5

    def test_it_may_take_the_time_of_the_one_before(self, a_training, tmp_path):
        config = TrainConfig.from_preset("quick", {"time": "90 min"})
        other = Job.create(tmp_path / "planned", JobKind.TRAIN, config, a_training.read_datalist())
        shutil.copytree(a_training.model_folder, other.model_folder)
        improving = improving_config(other)
        assert (improving.time, improving.training.pretraining_steps) == ("90 min", 0)
        assert improving_config(other, {"time": "20 min"}).time == "20 min"
        assert improving_config(other, {"training.self_training_steps": 9}).time == ""

    def test_a_training_without_self_training_keeps_its_only_stage(self, a_training, tmp_path):
        config = a_training.read_config().with_overrides({"training.self_training_steps": 0})
        other = Job.create(tmp_path / "supervised", JobKind.TRAIN, config, a_training.read_datalist())
        shutil.copytree(a_training.model_folder, other.model_folder)
        assert improving_config(other).training.pretraining_steps == config.training.pretraining_steps > 0

    def test_a_preset_replaces_them(self, a_training):
        for settings in ("default", {"preset": "default"}):
            config = improving_config(a_training.folder, settings)
            assert config.preset == "default" and config.seed == TrainConfig.from_preset("default").seed
            assert config.training.initial_model == str(a_training.model_folder)

    def test_of_a_copied_model_are_its_presets(self, a_training, tmp_path):
        shutil.copytree(a_training.model_folder, tmp_path / "copied")
        config = improving_config(tmp_path / "copied")
        assert config.preset == "quick" and config.training.initial_model == str(tmp_path / "copied")

    def test_wrong_ones_are_refused(self, a_training):
        with pytest.raises(ConfigError):
            improving_config(a_training, {"training.nothing": 1})

    def test_an_unfinished_training_has_no_model(self, a_training):
        shutil.rmtree(a_training.model_folder)
        with pytest.raises(ModelError, match="has not finished"):
            improving_config(a_training)


class TestCases:
    def roles(self, datalist):
        return {case.id: case.role.value + ("?" if case.known else "") for case in datalist.cases}

    def test_a_new_case_joins(self, a_training, promoted):
        joined = with_promoted(a_training.read_datalist(), [promoted])
        assert self.roles(joined) == {
            "a": "training", "b": "training", "v": "validation", "u": "unlabeled", "w": "unlabeled",
            "patient_7": "training?",
        }  # fmt: skip
        case = joined.cases[-1]
        assert (case.label, case.known) == (str(promoted.files.reviewed), str(promoted.files.known))

    @pytest.mark.parametrize("known_by", ["path", "voxels"])
    def test_who_was_unlabeled_is_so_no_more(self, a_training, promoted, known_by):
        datalist = a_training.read_datalist()
        if known_by == "path":
            promoted = replace(promoted, image=datalist.cases[3].image)
        else:
            shutil.copy(promoted.image, datalist.cases[3].image)
        joined = with_promoted(datalist, [promoted])
        assert self.roles(joined) == {
            "a": "training", "b": "training", "v": "validation", "u": "training?", "w": "unlabeled",
        }  # fmt: skip
        assert joined.cases[3].image == datalist.cases[3].image

    def test_of_the_same_name_but_another_scan_is_another_case(self, a_training, promoted):
        joined = with_promoted(a_training.read_datalist(), [replace(promoted, name="u")])
        assert self.roles(joined)["u"] == "unlabeled" and self.roles(joined)["u_2"] == "training?"

    @pytest.mark.parametrize("ending", [".nii.gz", ".mha", ".nrrd"])
    def test_the_scan_saved_anew_under_another_name_is_the_same(self, a_training, promoted, tmp_path, ending):
        anew = tmp_path / f"another name{ending}"
        sitk.WriteImage(sitk.ReadImage(promoted.image), str(anew), useCompression=True)
        datalist = a_training.read_datalist()
        datalist = replace(datalist, cases=(*datalist.cases[:3], replace(datalist.cases[3], image=str(anew))))
        joined = with_promoted(datalist, [promoted])
        assert self.roles(joined)["u"] == "training?" and len(joined.cases) == 4

    def test_each_file_is_read_once_for_all_reviewed_cases(self, a_training, promoted, tmp_path, monkeypatch):
        copy = shutil.copy(promoted.image, tmp_path / "copy.nrrd")
        requests = []
        monkeypatch.setattr(improvement, "file_hash", lambda path, part: requests.append(str(path)) or "0" * 32)
        first = replace(promoted, scan="1" * 32)
        second = replace(first, name="other", image=str(copy), scan="2" * 32)
        joined = with_promoted(a_training.read_datalist(), [first, second])
        assert len(joined.cases) == 7 and sorted(requests) == sorted(case.image for case in joined.cases[:5])

    def test_one_that_measures_is_found_by_its_voxels(self, a_training, promoted):
        shutil.copy(promoted.image, a_training.read_datalist().cases[2].image)
        with pytest.raises(DataError, match="'v' measures how good the model is"):
            with_promoted(a_training.read_datalist(), [promoted])

    def test_one_that_is_labeled_is_refused(self, a_training, promoted):
        shutil.copy(promoted.image, a_training.read_datalist().cases[0].image)
        with pytest.raises(DataError, match="'a' has a label everywhere already"):
            with_promoted(a_training.read_datalist(), [promoted])

    def test_one_that_was_promoted_before_is_renewed(self, a_training, promoted, its_files):
        joined = with_promoted(a_training.read_datalist(), [promoted])
        again = with_promoted(joined, [promoted])
        assert again == joined

    def test_twice_is_refused(self, a_training, promoted):
        with pytest.raises(DataError, match="is given twice"):
            with_promoted(a_training.read_datalist(), [promoted, promoted])

    def test_other_labels_are_refused(self, a_training, promoted):
        with pytest.raises(DataError, match="segment it with the model that is to be improved"):
            with_promoted(a_training.read_datalist(), [replace(promoted, labels=(Label(PANCREAS, "Liver"),))])


class TestFiles:
    @pytest.fixture
    def improved(self, a_training, promoted, a_segmented_job, tmp_path):
        joined = with_promoted(a_training.read_datalist(), [promoted])
        own = take_over_files(tmp_path / "train 2", joined, [a_training.folder, a_segmented_job.folder])
        return Job.create(tmp_path / "train 2", JobKind.TRAIN, TrainConfig(), own)

    def test_other_jobs_can_be_deleted(self, improved, a_training, a_segmented_job):
        shutil.rmtree(a_training.folder)
        shutil.rmtree(a_segmented_job.folder)
        for case in improved.read_datalist().cases:
            for path in (case.image, case.label, case.known):
                assert path is None or Path(path).is_file(), path

    def test_what_lies_elsewhere_stays_there(self, improved, tmp_path):
        images = {case.id: case.image for case in improved.read_relative_datalist().cases}
        assert images["w"] == str(tmp_path / "archive" / "w.nrrd")
        assert images["a"] == "images/a.nrrd"

    def test_the_engine_counts_the_decisions(self, improved):
        from coranet.planning.warm_start import reviewed_regions

        assert reviewed_regions(improved.read_datalist()) == 2

    def test_a_further_round_keeps_the_reviews_of_the_first(self, improved, tmp_path):
        own = take_over_files(tmp_path / "train 3", improved.read_datalist(), [improved.folder])
        third = Job.create(tmp_path / "train 3", JobKind.TRAIN, TrainConfig(), own)
        shutil.rmtree(improved.folder)
        case = third.read_datalist().cases[-1]
        files = PredictionFiles(Path(case.known).parent)
        assert files.review.is_file() and files.regions.is_file() and read(Path(case.known)).any()

    def test_go_with_the_job(self, improved):
        from coranet.contract import delete_job

        assert delete_job(improved) and not improved.folder.exists()

    def test_the_engine_reads_the_case(self, improved):
        from coranet.data.cache import read_labeled_pair

        case = improved.read_datalist().cases[-1]
        assert case.is_partial
        pair = read_labeled_pair(case, [label.value for label in improved.read_datalist().labels])
        assert pair is not None


def test_the_channels_of_a_case_are_taken_over_together(tmp_path):
    folder = tmp_path / "train 1"
    for name in ("a", "a+2", "four"):
        write_image(HEADS["segmentation"].astype(np.float32), folder / "images" / f"{name}.nrrd")
    a, second, four = (str(folder / "images" / f"{name}.nrrd") for name in ("a", "a+2", "four"))
    cases = (Case("a", Role.UNLABELED, a, more_images=(second,)), Case("f", Role.UNLABELED, four, more_images=(four,)))
    datalist = Datalist(cases, CLASSES, ("T1", "FLAIR"))
    taken = take_over_files(tmp_path / "train 2", datalist, [folder])
    assert [case.images for case in taken.cases] == [
        ("images/a.nrrd", "images/a+2.nrrd"), ("images/f.nrrd", "images/f.nrrd"),
    ]  # fmt: skip
    assert taken.channels == ("T1", "FLAIR")


def test_a_reviewed_case_keeps_its_channels(promoted, tmp_path):
    two = replace(promoted, more_images=("flair.nrrd",))
    other = Case("u", Role.UNLABELED, "u.nrrd", more_images=("v.nrrd",))
    joined = with_promoted(Datalist((other,), CLASSES, ("T1", "FLAIR")), [two])
    assert joined.cases[1].images == (promoted.image, "flair.nrrd")
    with pytest.raises(DataError, match="has no FLAIR"):
        with_promoted(Datalist((other,), CLASSES, ("T1", "FLAIR")), [promoted])
