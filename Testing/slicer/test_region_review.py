"""A review decides, undoes, remembers; and never touches a voxel outside of the region in question."""

from __future__ import annotations

import json

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
from scene_builders import crop_in_place, labels_of
from synthetic_predictions import PANCREAS, TUMOR, synthetic_heads

from coranet.contract import Choice, Decision
from coranet.contract.errors import DataError, StorageError
from CoraNetSlicerLib.core.images import voxels_of
from CoraNetSlicerLib.core.results import results_by_key, results_in_scene
from CoraNetSlicerLib.review.overlays import make_surfaces
from CoraNetSlicerLib.review.result_loading import load_prediction
from CoraNetSlicerLib.review.review_opening import open_review, opening_steps
from CoraNetSlicerLib.review.segment_layers import SegmentLayers
from CoraNetSlicerLib.review.segment_surfaces import has_surface, lost_surface
from CoraNetSlicerLib.review.worklist import structure_text

HEADS = synthetic_heads()
CLASSES = (f"segmentation-{PANCREAS}", f"segmentation-{TUMOR}")


@pytest.fixture
def region_map(its_files):
    return sitk.GetArrayFromImage(sitk.ReadImage(str(its_files.region_map)))


def separate_layers(node):
    """As the Segment Editor does when segments may overlap."""
    segmentation = node.GetSegmentation()
    for index in range(segmentation.GetNumberOfSegments()):
        segmentation.SeparateSegmentLabelmap(segmentation.GetNthSegmentID(index))


class TestDeciding:
    @pytest.mark.parametrize("choice", ["conservative", "radical", "keep"])
    def test_a_region_gets_what_was_chosen_and_nothing_else_changes(self, review, a_result, region_map, choice):
        source = HEADS["segmentation" if choice == "keep" else choice]
        for number in (1, len(review.regions.regions)):
            review.decide(number, choice, "Ada")
        inside = np.isin(region_map, (1, len(review.regions.regions)))
        expected = np.where(inside, source, HEADS["segmentation"])
        np.testing.assert_array_equal(labels_of(a_result), expected)

    def test_a_region_between_two_classes_exchanges_them(self, review, a_result, region_map):
        number = next(region.number for region in review.regions.regions if region.label_values == (PANCREAS, TUMOR))
        assert structure_text(review.regions.region(number), review.loaded.labels) == "Pancreas or Tumor"
        review.decide(number, Choice.CONSERVATIVE)
        assert set(np.unique(labels_of(a_result)[region_map == number])) <= {TUMOR, PANCREAS}
        np.testing.assert_array_equal(
            labels_of(a_result)[region_map == number], HEADS["conservative"][region_map == number]
        )

    def test_keep_brings_back_what_the_result_named(self, review, a_result):
        review.decide(1, Choice.RADICAL)
        review.decide(1, Choice.KEEP)
        np.testing.assert_array_equal(labels_of(a_result), HEADS["segmentation"])
        assert review.status(1) == "kept"

    def test_a_decision_can_be_taken_back(self, review, a_result):
        review.decide(1, Choice.RADICAL)
        review.decide(1, None)
        assert review.decision(1) is None and review.status(1) == "open"
        np.testing.assert_array_equal(labels_of(a_result), HEADS["segmentation"])

    def test_an_unknown_choice_or_region_is_refused(self, review):
        with pytest.raises(DataError, match=r"can be given 'conservative', 'radical', 'keep', got 'bold'"):
            review.decide(1, "bold")
        with pytest.raises(DataError, match="to paint in it, begin an edit"):
            review.decide(1, Choice.EDITED)
        with pytest.raises(DataError, match=r"has the regions 1 to \d+, not 99"):
            review.decide(99, "keep")
        assert not review.can_undo

    def test_segments_in_layers_of_their_own(self, review, a_result, region_map):
        separate_layers(a_result.segmentation)
        assert a_result.segmentation.GetSegmentation().GetNumberOfLayers() == 2
        for region in review.regions.regions:
            review.decide(region.number, Choice.RADICAL)
        expected = np.where(region_map > 0, HEADS["radical"], HEADS["segmentation"])
        np.testing.assert_array_equal(labels_of(a_result), expected)

    @pytest.mark.slow
    def test_layers_that_are_smaller_than_the_region_grow(self, review, a_result, region_map):
        shrink(a_result.segmentation)
        np.testing.assert_array_equal(labels_of(a_result), HEADS["segmentation"])
        for region in review.regions.regions:
            review.decide(region.number, Choice.RADICAL)
        expected = np.where(region_map > 0, HEADS["radical"], HEADS["segmentation"])
        np.testing.assert_array_equal(labels_of(a_result), expected)
        while review.undo():
            pass
        np.testing.assert_array_equal(labels_of(a_result), HEADS["segmentation"])

    def test_a_segment_that_lost_its_image_gets_one(self, context, its_files, review, a_result, region_map):
        review.decide(1, Choice.KEEP)
        segment = a_result.segmentation.GetSegmentation().GetSegment(f"segmentation-{TUMOR}")
        segment.AddRepresentation("Binary labelmap", slicer.vtkOrientedImageData())
        region = next(region for region in review.regions.regions if region.radical == TUMOR)
        review.decide(region.number, Choice.RADICAL)
        expected = (region_map == region.number) & (HEADS["radical"] == TUMOR)
        np.testing.assert_array_equal(labels_of(a_result) == TUMOR, expected)

    def test_a_segment_of_a_person_in_the_same_layer_stays_where_no_class_comes(self, review, a_result, region_map):
        segmentation = a_result.segmentation.GetSegmentation()
        layer = segmentation.GetSegment(f"segmentation-{TUMOR}").GetRepresentation("Binary labelmap")
        own = slicer.vtkSegment()
        own.SetName("Cyst")
        own.SetLabelValue(9)
        own.AddRepresentation("Binary labelmap", layer)
        segmentation.AddSegment(own, "cyst")
        layers = SegmentLayers(a_result.segmentation, a_result.volume)
        number = next(region.number for region in review.regions.regions if region.conservative == 0)
        box = review.voxels(number).box
        everywhere = np.ones(int(box.mask.sum()), bool)
        layers.write(box, {"cyst": everywhere, **{identifier: ~everywhere for identifier in CLASSES}})
        review.decide(number, Choice.CONSERVATIVE)
        assert layers.read(box)["cyst"].all()
        review.decide(number, Choice.RADICAL)
        assert not layers.read(box)["cyst"].any()
        assert review.undo() == number
        assert layers.read(box)["cyst"].all()

    def test_a_deleted_class_is_named(self, review, a_result):
        review.decide(1, Choice.KEEP)
        a_result.segmentation.GetSegmentation().RemoveSegment(f"segmentation-{TUMOR}")
        number = next(region.number for region in review.regions.regions if region.radical == TUMOR)
        with pytest.raises(DataError, match=f"the segment 'segmentation-{TUMOR}' .* was deleted"):
            review.decide(number, Choice.RADICAL)

    def test_a_volume_that_is_cropped_in_place_ends_the_review(self, context, review, a_result, its_files):
        review.decide(1, Choice.KEEP)
        crop_in_place(a_result.volume, (1, 2, 3), (12, 20, 14))
        layers = [layer for layer, _ids in review.layers.layers()]
        before = [voxels_of(layer).copy() for layer in layers]
        for change in (
            lambda: review.decide(2, Choice.RADICAL),
            lambda: review.slide((14, 14, 5), 0.5),
            lambda: review.begin_edit(2),
            review.undo,
            review.promote,
            lambda: review.layers.write_whole(CLASSES[0], np.ones((12, 20, 14), bool)),
        ):
            with pytest.raises(DataError, match="ha(s|ve) a different grid than .*'patient 7'"):
                change()
        for layer, voxels in zip(layers, before, strict=True):
            np.testing.assert_array_equal(voxels_of(layer), voxels)
        assert not review.is_current
        with pytest.raises(DataError, match="no longer in the scene as it was segmented: it was deleted, cropped"):
            open_review(context, a_result, its_files)
        (found,) = results_in_scene(context.scene)
        assert found.volume is None and results_by_key(context.scene) == {}

    def test_segments_on_another_grid_are_refused(self, review, a_result):
        review.decide(1, Choice.KEEP)
        a_result.volume.SetSpacing(1.0, 0.7, 2.5)
        with pytest.raises(DataError, match="have a different grid"):
            review.decide(2, Choice.RADICAL)


def shrink(node):
    """Cut the images of all segments to where they have voxels, as files of segmentations do."""
    segmentation = node.GetSegmentation()
    separate_layers(node)
    for index in range(segmentation.GetNumberOfSegments()):
        image = segmentation.GetNthSegment(index).GetRepresentation("Binary labelmap")
        extent = [0] * 6
        slicer.vtkOrientedImageDataResample.CalculateEffectiveExtent(image, extent)
        cut = slicer.vtkOrientedImageData()
        slicer.vtkOrientedImageDataResample.CopyImage(image, cut, extent)
        segmentation.GetNthSegment(index).AddRepresentation("Binary labelmap", cut)


class TestUndo:
    def test_slices_draw_in_the_order_of_before(self, review, a_result):
        # Of another labelmap, slice views would make another actor, over those that lay over it.
        segmentation = a_result.segmentation.GetSegmentation()
        ids = [f"segmentation-{label.value}" for label in a_result.labels]
        before = [segmentation.GetSegment(identifier).GetRepresentation("Binary labelmap") for identifier in ids]
        times = [labelmap.GetPointData().GetScalars().GetMTime() for labelmap in before]
        for region in review.regions.regions:
            review.decide(region.number, "radical")
        after = [segmentation.GetSegment(identifier).GetRepresentation("Binary labelmap") for identifier in ids]
        assert all(first is second for first, second in zip(before, after, strict=True))
        assert all(
            labelmap.GetPointData().GetScalars().GetMTime() > time for labelmap, time in zip(after, times, strict=True)
        )

    def test_surfaces_of_before_are_drawn_until_they_are_made_anew_where_somebody_does_so(self, review, a_result):
        from CoraNetSlicerLib.review.overlays import make_surfaces
        from CoraNetSlicerLib.review.segment_surfaces import is_surface_made

        make_surfaces(a_result.segmentation, a_result.overlays)
        before = np.zeros(6)
        a_result.segmentation.GetRASBounds(before)
        review.layers.keeps_surfaces = True
        review.show(1)
        for region in review.regions.regions:
            review.decide(region.number, "radical")
            review.show(region.number)
            assert has_surface(review.outline.node, "region"), "the next region has its surface in 3D"
        ids = [f"segmentation-{label.value}" for label in a_result.labels]
        assert all(has_surface(a_result.segmentation, identifier) for identifier in ids)
        assert any(lost_surface(a_result.segmentation, identifier) for identifier in ids)
        make_surfaces(a_result.segmentation, a_result.overlays)
        assert all(is_surface_made(a_result.segmentation, identifier) for identifier in ids)
        review.outline.clear()

    @pytest.mark.slow
    def test_random_decisions_and_undos_touch_nothing_outside_and_come_all_the_way_back(
        self, review, a_result, region_map
    ):
        random = np.random.default_rng(11)
        before = labels_of(a_result)
        states = [(before, dict(review.review.decisions))]
        numbers = [region.number for region in review.regions.regions]
        for _ in range(60):
            here = labels_of(a_result)
            if random.random() < 0.3 and len(states) > 1:
                number = review.undo()
                states.pop()
                np.testing.assert_array_equal(labels_of(a_result), states[-1][0])
                assert review.review.decisions == states[-1][1]
            else:
                number = int(random.choice(numbers))
                review.decide(number, str(random.choice(["conservative", "radical", "keep"])), "Ada")
                states.append((labels_of(a_result), dict(review.review.decisions)))
            outside = region_map != number
            np.testing.assert_array_equal(labels_of(a_result)[outside], here[outside])
        while review.undo():
            states.pop()
            np.testing.assert_array_equal(labels_of(a_result), states[-1][0])
        assert len(states) == 1 and not review.review.decisions and not review.can_undo
        np.testing.assert_array_equal(labels_of(a_result)[region_map == 0], before[region_map == 0])

    def test_redo_is_the_way_back(self, review, a_result):
        review.decide(1, Choice.RADICAL, "Ada")
        review.decide(2, Choice.CONSERVATIVE, "Bo")
        after, decisions = labels_of(a_result), dict(review.review.decisions)
        assert (review.undo(), review.undo(), review.undo()) == (2, 1, None)
        assert (review.redo(), review.redo(), review.redo()) == (1, 2, None)
        np.testing.assert_array_equal(labels_of(a_result), after)
        assert review.review.decisions == decisions
        review.undo()
        review.decide(3, Choice.KEEP)
        assert not review.can_redo

    def test_the_decision_before_comes_back_with_author_and_time(self, review):
        review.decide(1, Choice.RADICAL, "Ada")
        first = review.decision(1)
        review.decide(1, Choice.CONSERVATIVE, "Bo")
        review.undo()
        assert review.decision(1) == first == Decision(Choice.RADICAL, "Ada", first.time)


class TestSurfaces:
    def test_only_those_of_changed_segments_go_and_who_looks_is_told(self, review, a_result):
        make_surfaces(a_result.segmentation, a_result.overlays)
        received = []
        segmentation = a_result.segmentation.GetSegmentation()
        segmentation.AddObserver(slicer.vtkSegmentation.SourceRepresentationModified, lambda *_: received.append(1))
        number = next(region.number for region in review.regions.regions if region.label_values == (TUMOR,))
        review.decide(number, Choice.RADICAL)
        assert lost_surface(a_result.segmentation, f"segmentation-{TUMOR}")
        assert has_surface(a_result.segmentation, f"segmentation-{PANCREAS}")
        assert len(received) == 1

    def test_a_decision_that_changes_nothing_tells_nothing(self, review, a_result):
        make_surfaces(a_result.segmentation, a_result.overlays)
        review.decide(1, Choice.KEEP)
        assert all(has_surface(a_result.segmentation, identifier) for identifier in CLASSES)

    def test_the_node_is_to_be_saved(self, context, review, a_result, tmp_path):
        storage = slicer.vtkMRMLSegmentationStorageNode()
        storage.SetFileName(str(tmp_path / "a.seg.nrrd"))
        context.scene.AddNode(storage)
        a_result.segmentation.SetAndObserveStorageNodeID(storage.GetID())
        assert storage.WriteData(a_result.segmentation) and not a_result.segmentation.GetModifiedSinceRead()
        review.decide(1, Choice.RADICAL)
        assert a_result.segmentation.GetModifiedSinceRead()


class TestLookingAtIt:
    def test_progress_in_words(self, review):
        total = len(review.regions.regions)
        assert review.progress == f"0 of {total} reviewed, 0 % of the uncertain volume cleared"
        share = review.regions.region(1).volume_ml / sum(region.volume_ml for region in review.regions.regions)
        review.decide(1, Choice.RADICAL)
        assert review.progress == f"1 of {total} reviewed, {round(100 * share)} % of the uncertain volume cleared"

    def test_the_next_open_one(self, review):
        review.decide(2, Choice.KEEP)
        assert (review.next_open(), review.next_open(1), review.next_open(99)) == (1, 3, 1)
        for region in review.regions.regions:
            review.decide(region.number, Choice.KEEP)
        assert review.next_open() is None

    def test_who_is_connected_is_told(self, review):
        received = []
        review.changed.connect(lambda: received.append(review.progress))
        review.decide(1, Choice.KEEP)
        review.undo()
        assert len(received) == 2


class TestFiles:
    def test_each_change_is_written_beside_the_case(self, review, its_files):
        review.decide(1, Choice.RADICAL, "Ada")
        content = json.loads(its_files.review.read_text(encoding="utf-8"))
        assert content["decisions"]["1"]["choice"] == "radical" and content["decisions"]["1"]["author"] == "Ada"
        review.undo()
        assert json.loads(its_files.review.read_text(encoding="utf-8"))["decisions"] == {}

    def test_a_failed_write_leaves_the_decision_in_the_scene(self, review, its_files, a_result, region_map):
        review.decide(1, Choice.KEEP)
        its_files.review.unlink()
        its_files.review.mkdir()
        with pytest.raises(StorageError, match="could not be written"):
            review.decide(2, Choice.RADICAL)
        assert review.status(2) == "radical" and review.can_undo
        inside = region_map == 2
        np.testing.assert_array_equal(labels_of(a_result)[inside], HEADS["radical"][inside])

    def test_a_folder_that_is_gone_is_not_made_again(self, review, its_files):
        review.decide(1, Choice.KEEP)
        its_files.folder.rename(its_files.folder.with_name("elsewhere"))
        with pytest.raises(StorageError, match="is no longer there; the decision is in the scene alone"):
            review.decide(2, Choice.RADICAL)
        assert not its_files.folder.exists() and review.status(2) == "radical"

    def test_a_result_that_is_loaded_anew_is_given_the_decisions_of_the_file(
        self, context, review, its_files, a_result
    ):
        review.decide(1, Choice.RADICAL, "Ada")
        review.decide(2, Choice.CONSERVATIVE)
        expected = labels_of(a_result)
        again = load_prediction(context, its_files, a_result.volume)
        assert not review.is_current
        np.testing.assert_array_equal(labels_of(again), HEADS["segmentation"])
        reviewed = open_review(context, again, its_files)
        np.testing.assert_array_equal(labels_of(again), expected)
        assert reviewed.review == review.review and reviewed.warnings == ()
        assert reviewed.record.worklist.GetCellText(0, 4) == "radical"

    def test_that_is_done_in_steps_and_can_be_broken_off(self, context, review, its_files, a_result):
        review.decide(1, Choice.RADICAL, "Ada")
        review.decide(2, Choice.CONSERVATIVE)
        expected = labels_of(a_result)
        again = load_prediction(context, its_files, a_result.volume)
        broken_off = opening_steps(context, again, its_files)
        while (labels_of(again) == HEADS["segmentation"]).all():
            next(broken_off)
        broken_off.close()
        np.testing.assert_array_equal(labels_of(again), HEADS["segmentation"])
        steps = opening_steps(context, again, its_files)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                opened = end.value
                break
        np.testing.assert_array_equal(labels_of(again), expected)
        assert opened.review == review.review
        for number in (1, 2):
            opened.decide(number, None)
        np.testing.assert_array_equal(labels_of(again), HEADS["segmentation"])

    def test_other_regions_replace_those_on_which_nothing_is_decided(self, context, review, its_files, a_result):
        content = json.loads(its_files.regions.read_text(encoding="utf-8"))
        its_files.regions.write_text(json.dumps({**content, "created": content["created"] + 1}), encoding="utf-8")
        assert open_review(context, a_result, its_files).regions.created == content["created"] + 1

    def test_those_on_which_something_is_decided_stay(self, context, review, its_files, a_result):
        review.decide(1, Choice.RADICAL)
        content = json.loads(its_files.regions.read_text(encoding="utf-8"))
        its_files.regions.write_text(json.dumps({**content, "created": content["created"] + 1}), encoding="utf-8")
        again = open_review(context, a_result, its_files)
        assert again.regions == review.regions and again.review == review.review

    def test_without_regions_the_sentence_says_what_to_do(self, context, its_files, a_result):
        its_files.regions.unlink()
        with pytest.raises(DataError, match="has no list of uncertain regions; run 'coranet regions' on it"):
            open_review(context, a_result, its_files)
        with pytest.raises(DataError, match="the scene keeps no review"):
            open_review(context, a_result, None)

    def test_a_map_that_does_not_fit_the_list_is_named(self, context, its_files, a_result):
        content = json.loads(its_files.regions.read_text(encoding="utf-8"))
        content["regions"][0]["voxels"] += 1
        its_files.regions.write_text(json.dumps(content), encoding="utf-8")
        with pytest.raises(DataError, match=r"voxels of region 1, the list of regions has"):
            open_review(context, a_result, its_files).decide(1, Choice.KEEP)

    def test_the_voxels_can_be_read_in_steps(self, review, its_files):
        assert len(list(review.read_steps())) > len(review.regions.regions)
        its_files.region_map.unlink()
        assert list(review.read_steps()) == []
        review.decide(1, Choice.RADICAL)

    def test_without_a_volume_there_is_no_review(self, context, its_files, a_result):
        from dataclasses import replace

        with pytest.raises(DataError, match="is no longer in the scene"):
            open_review(context, replace(a_result, volume=None), its_files)
