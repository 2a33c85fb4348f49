"""OverlaysPresenter: what is shown is what the display nodes say, whoever changed them."""

from __future__ import annotations

import numpy as np
import pytest
from shown_results import drawn, load_case
from synthetic_predictions import CASE_ID, PANCREAS, TUMOR, synthetic_heads, write_image

from coranet.contract import Job
from CoraNetSlicerLib.review.overlay_rows import KINDS
from CoraNetSlicerLib.review.overlays import conservative_color, radical_color
from CoraNetSlicerLib.review.result_loading import load_prediction
from CoraNetSlicerLib.review.segment_layers import MaskedBox, SegmentLayers
from CoraNetSlicerLib.review.segment_surfaces import is_surface_made, surface_of_segment

VOXEL_ML = 0.9 * 0.7 * 2.5 / 1000
RED, GREEN = (0.8, 0.2, 0.1), (0.1, 0.7, 0.3)


class TestWithoutResult:
    def test_every_row_is_there_and_says_why_it_is_grey(self, presenter):
        assert [row.kind for row in presenter.rows] == list(KINDS)
        assert {row.reason for row in presenter.rows} == {"Segment a volume first."} == {presenter.reason}
        assert presenter.caution.reason == presenter.uncertainty_map.reason == presenter.reason_not_copyable
        assert (presenter.results, presenter.key, presenter.volumes, presenter.status) == ({}, "", [], "")

    def test_nothing_happens_whatever_is_asked(self, presenter, application):
        for kind in KINDS:
            presenter.set_visible_2d(kind, True)
            presenter.set_visible_3d(kind, True)
            presenter.set_opacity(kind, 0.3)
        presenter.apply_look("contours")
        presenter.uncertainty_map.set_legend(True)
        presenter.caution.set(2.0)
        application.run()
        assert not any(row.visible_2d or row.visible_3d for row in presenter.rows)


class TestLooks:
    def test_a_new_result_is_ready_for_review(self, loaded, presenter, row):
        assert drawn(row) == ("rcRu", "r")
        assert [row(kind).opacity for kind in KINDS] == [0.12, 1.0, 1.0, 0.25, 0.6]
        assert presenter.look == "contours"

    @pytest.mark.parametrize(
        "look, expected", [("contours", "rcRu"), ("filled", "r"), ("uncertainty", "rm"), ("anatomy", "")]
    )
    def test_a_look_undoes_whatever_was_set(self, loaded, presenter, application, row, look, expected):
        for kind in KINDS:
            presenter.set_visible_2d(kind, kind == "uncertainty")
            presenter.set_opacity(kind, 0.1)
        loaded.overlays.GetDisplayNode().SetVisibility(False)
        presenter.uncertainty_map.set_legend(True)
        presenter.apply_look(look)
        assert drawn(row)[0] == expected and presenter.look == look
        assert [row(kind).opacity for kind in KINDS[:4]] == [0.5 if look == "filled" else 0.12, 1.0, 1.0, 0.25]
        assert presenter.uncertainty_map.has_legend == (look == "uncertainty")

    def test_a_result_of_the_command_line_gets_its_surfaces_one_at_a_time(
        self, context, tmp_path, presenter, application, row
    ):
        received = []
        presenter.changed.connect(lambda: received.append(presenter.status))
        presenter.show(load_case(context, tmp_path / "a" / "segment 1"))
        assert drawn(row)[1] == "", "not yet"
        application.run()
        assert drawn(row)[1] == "r"
        assert "Making 3D surfaces: 1 of 2" in received and received[-1] == ""

    def test_no_segment_is_left_for_slicer_to_convert_at_once(self, loaded, presenter, application):
        presenter.set_visible_3d("radical", True)
        application.run()
        segmentation = loaded.overlays.GetSegmentation()
        surfaces = [segmentation.GetNthSegment(index).GetRepresentation("Closed surface") for index in range(5)]
        assert all(surface.GetNumberOfPoints() for surface in surfaces)

    def test_a_look_makes_no_surfaces_that_it_does_not_draw(self, loaded, presenter, application):
        presenter.apply_look("contours")
        application.run()
        assert not loaded.overlays.GetSegmentation().ContainsRepresentation("Closed surface")
        presenter.apply_look("anatomy")
        assert application.run() and not loaded.overlays.GetSegmentation().ContainsRepresentation("Closed surface")

    def test_a_look_that_was_changed_by_hand_is_none(self, loaded, presenter):
        presenter.set_visible_2d("conservative", False)
        assert presenter.look == ""

    def test_while_a_place_is_marked_every_look_draws_the_rest_faintly(self, loaded, presenter, row):
        presenter.set_place_marked(True)
        assert (row("uncertain").opacity, presenter.look) == (0.1, "contours")
        presenter.apply_look("contours")
        assert row("uncertain").opacity == 0.1
        presenter.set_place_marked(False)
        assert row("uncertain").opacity == 0.25


class TestVisibility:
    @pytest.mark.parametrize("kind", KINDS)
    def test_one_row_goes_and_comes_back_alone(self, loaded, presenter, row, kind):
        presenter.set_visible_2d("uncertainty", True)
        for visible in (False, True):
            presenter.set_visible_2d(kind, visible)
            assert [row(each).visible_2d for each in KINDS] == [visible or each != kind for each in KINDS]

    @pytest.mark.parametrize("kind", KINDS[:4])
    def test_a_row_is_drawn_in_3d_when_its_surface_is_made(self, loaded, presenter, application, row, kind):
        for each in KINDS[:4]:
            presenter.set_visible_3d(each, False)
        presenter.set_visible_3d(kind, True)
        application.run()
        assert [row(each).visible_3d for each in KINDS[:4]] == [each == kind for each in KINDS[:4]]
        # Slicer draws nothing otherwise.
        node = loaded.segmentation if kind == "result" else loaded.overlays
        assert node.GetDisplayNode().GetDisplayRepresentationName3D() == "Closed surface"

    def test_the_map_is_not_drawn_in_3d(self, loaded, row):
        assert row("uncertainty").visible_3d is None

    def test_what_the_segmentations_module_hides_is_hidden_here(self, loaded, presenter, application, row):
        received = []
        presenter.changed.connect(lambda: received.append(drawn(row)[0]))
        loaded.overlays.GetDisplayNode().SetVisibility(False)
        loaded.segmentation.GetDisplayNode().SetSegmentOpacity2DFill(f"segmentation-{PANCREAS}", 0.25)
        application.run()
        assert received == ["r"], "once for both changes"
        assert row("result").opacity == 0.25

    def test_a_row_comes_back_alone_from_a_hidden_node(self, loaded, presenter, row):
        loaded.overlays.GetDisplayNode().SetVisibility(False)
        presenter.set_visible_2d("radical", True)
        assert drawn(row) == ("rR", "r")

    def test_a_class_that_a_person_hid_stays_hidden(self, loaded, presenter):
        display = loaded.segmentation.GetDisplayNode()
        display.SetSegmentVisibility(f"segmentation-{TUMOR}", False)
        presenter.set_visible_2d("result", False)
        presenter.set_visible_2d("result", True)
        assert not display.GetSegmentVisibility(f"segmentation-{TUMOR}")
        display.SetSegmentVisibility(f"segmentation-{PANCREAS}", False)
        presenter.set_visible_2d("result", True)
        assert display.GetSegmentVisibility(f"segmentation-{TUMOR}"), "else the tick would do nothing"

    @pytest.mark.parametrize("part", ["overlays", "uncertainty"])
    def test_a_part_that_was_deleted_says_so(self, context, loaded, presenter, application, row, part):
        context.scene.RemoveNode(getattr(loaded, part))
        application.run()
        gone = {row.kind for row in presenter.rows if row.reason}
        assert gone == ({"uncertainty"} if part == "uncertainty" else {"conservative", "radical", "uncertain"})
        assert "delete the result and load it again" in presenter.caution.reason
        for kind in KINDS:
            presenter.set_visible_2d(kind, True)
        presenter.apply_look("contours")
        application.run()
        assert row("result").visible_3d


class TestOpacityAndColor:
    @pytest.mark.parametrize("kind", KINDS)
    def test_opacity_is_what_was_set(self, loaded, presenter, row, kind):
        presenter.set_opacity(kind, 0.35)
        assert row(kind).opacity == pytest.approx(0.35)
        assert [row(kind).opacity for kind in KINDS].count(pytest.approx(0.35)) == 1

    def test_surfaces_follow_and_a_result_of_its_own_opacity_is_solid(self, loaded, presenter):
        display = loaded.segmentation.GetDisplayNode()
        for opacity, in_3d in ((0.06, 0.5), (0.12, 1.0), (0.9, 1.0)):
            presenter.set_opacity("result", opacity)
            assert display.GetSegmentOpacity3D(f"segmentation-{TUMOR}") == pytest.approx(in_3d)

    def test_the_color_of_a_class_gives_its_bounds_the_tones(self, loaded, presenter, row):
        presenter.set_color("result", f"segmentation-{TUMOR}", RED)
        colors = [{color.name: color.color for color in row(kind).colors}["Tumor"] for kind in KINDS[:3]]
        np.testing.assert_allclose(colors, [RED, conservative_color(RED), radical_color(RED)])
        assert row("result").colors[0].color == pytest.approx((0.9, 0.45, 0.3)), "the other class keeps its own"

    def test_the_color_of_an_overlay_is_its_own(self, loaded, presenter, row):
        before = row("result").colors
        presenter.set_color("radical", f"radical-{PANCREAS}", GREEN)
        presenter.set_color("uncertain", "uncertain", RED)
        assert row("radical").colors[0].color == pytest.approx(GREEN)
        assert row("uncertain").colors[0].color == pytest.approx(RED)
        assert row("result").colors == before

    def test_the_map_has_colors_to_choose_from(self, loaded, presenter):
        shown = presenter.uncertainty_map
        first, *others = shown.color_maps
        assert shown.color_map == first and others
        shown.set_color_map(others[-1])
        assert shown.color_map == others[-1] == loaded.uncertainty.GetDisplayNode().GetColorNodeID()


class TestMap:
    def test_it_lies_over_the_volume_and_gives_back_the_foreground_that_it_took(
        self, context, loaded, presenter, views, row
    ):
        pet = context.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "PET")
        views[0].SetForegroundVolumeID(pet.GetID())
        views[0].SetForegroundOpacity(0.3)
        presenter.set_visible_2d("uncertainty", True)
        presenter.set_opacity("uncertainty", 0.45)
        assert {view.GetForegroundVolumeID() for view in views} == {loaded.uncertainty.GetID()}
        assert {view.GetForegroundOpacity() for view in views} == {0.45}
        presenter.set_visible_2d("uncertainty", False)
        assert [view.GetForegroundVolumeID() for view in views] == [pet.GetID(), None]
        assert views[0].GetForegroundOpacity() == 0.3
        assert row("uncertainty").opacity == 0.45, "it comes back as it went"

    def test_its_legend_brings_it_and_goes_with_it(self, context, loaded, presenter, row):
        shown = presenter.uncertainty_map
        shown.set_legend(True)
        assert shown.has_legend and row("uncertainty").visible_2d
        legend = loaded.uncertainty.GetNthDisplayNode(1)
        assert legend.GetTitleText() == "Uncertainty"
        # In Slicer's usual size its numbers are larger than anything else in a slice view.
        assert legend.GetSize()[0] < 0.15 and legend.GetSize()[1] < 0.5
        assert legend.GetPrimaryDisplayNode() is loaded.uncertainty.GetDisplayNode()
        presenter.set_visible_2d("uncertainty", False)
        assert not shown.has_legend
        shown.set_legend(True)
        shown.set_legend(False)
        assert row("uncertainty").visible_2d and not shown.has_legend
        assert context.scene.GetNumberOfNodesByClass("vtkMRMLColorLegendDisplayNode") == 1


class TestCaution:
    @pytest.fixture
    def loaded(self, context, tmp_path, presenter, application):
        loaded = load_case(context, tmp_path / "a" / "segment 1", caution=-7.25, surfaces=True)
        presenter.show(loaded)
        presenter.set_visible_3d("uncertain", True)
        application.run()
        return loaded

    def test_it_stands_where_the_result_was_computed(self, loaded, presenter):
        assert presenter.caution.value == presenter.caution.model_value == -7.25
        assert presenter.caution.range == (-8, 6.0), "the model's own caution is on the slider"
        assert not presenter.caution.is_moved

    def test_many_moves_are_one_drawing_and_one_surface(self, loaded, presenter, application, row):
        assert row("uncertain").visible_3d
        for caution in (-1.0, -0.5, -0.25):
            presenter.caution.set(caution)
        assert presenter.caution.value == -0.25
        assert application.run(milliseconds=100) <= 3, "draw and paint"
        flagged = synthetic_heads()["uncertainty"] >= np.float32(1 / (1 + np.exp(-0.25)))
        assert presenter.caution.region.ml == pytest.approx(flagged.sum() * VOXEL_ML)
        assert not row("uncertain").visible_3d, "the surface is of another region"
        application.run()
        assert row("uncertain").visible_3d

    def test_it_says_what_the_region_means(self, loaded, presenter, application):
        presenter.caution.set(2.0)
        application.run()
        assert 0.05 < presenter.caution.region.share < 0.95
        share, ml = 100 * presenter.caution.region.share, presenter.caution.region.ml
        assert presenter.caution.text == (
            "A missed error weighs as much as 7.4 false alarms. "
            f"Flags {share:.1f} % of the volume, {ml:.2f} mL. The outlines stay as computed, at caution -7.25."
        )
        presenter.caution.reset()
        application.run()
        assert presenter.caution.value == -7.25 and "outlines" not in presenter.caution.text
        assert presenter.caution.text.startswith("A false alarm weighs as much as 1408 missed errors. ")
        presenter.caution.set(0.0)
        application.run()
        assert presenter.caution.text.startswith("A missed error weighs as much as a false alarm. ")

    def test_a_surface_that_is_not_seen_is_made_when_it_is_to_be_seen(self, loaded, presenter, application, row):
        presenter.set_visible_3d("uncertain", False)
        presenter.caution.set(1.0)
        application.run()
        surface = loaded.overlays.GetSegmentation().GetSegment("uncertain").GetRepresentation("Closed surface")
        assert surface.GetNumberOfPoints() == 0, "that of another region would be wrong"
        loaded.overlays.GetDisplayNode().SetSegmentVisibility3D("uncertain", True)
        application.run()
        assert row("uncertain").visible_3d, "also when another module wants to see it"

    def test_a_region_without_surface_gets_none(self, context, tmp_path, presenter, application, row):
        presenter.show(load_case(context, tmp_path / "b" / "segment 2"))
        presenter.caution.set(1.0)
        application.run()
        assert not row("uncertain").visible_3d and presenter.status == ""


class TestRenamedSegments:
    @pytest.mark.parametrize("name", ["Gland", "Tumor", "", "Pancreas (old)"])
    def test_bounds_stay_with_its_class(self, context, loaded, presenter, application, name):
        before = presenter.volumes
        loaded.segmentation.GetSegmentation().GetSegment(f"segmentation-{PANCREAS}").SetName(name)
        application.run()
        after = presenter.volumes
        assert [volume.name for volume in after][:2] == [name, "Tumor"]
        assert [(volume.ml, volume.conservative_ml, volume.radical_ml) for volume in after] == [
            (volume.ml, volume.conservative_ml, volume.radical_ml) for volume in before
        ]
        assert after[0].conservative_ml < after[0].ml < after[0].radical_ml

    def test_one_whose_segment_is_removed_and_made_anew_is_counted_anew(self, loaded, presenter, application):
        loaded.segmentation.GetSegmentation().RemoveSegment(f"segmentation-{PANCREAS}")
        application.run()
        assert [volume.name for volume in presenter.volumes][0] == "Tumor"


class TestSurfacesThatAreMadeAnew:
    def test_cameras_see_what_comes_back(self, context, tmp_path, presenter, application):
        camera = context.scene.AddNewNodeByClass("vtkMRMLCameraNode", "Camera")
        reset = []
        camera.AddObserver("AnyEvent", lambda *_: reset.append(1))
        presenter.show(load_case(context, tmp_path / "a" / "segment 1"))
        presenter.set_visible_3d("result", True)
        application.run()
        assert presenter.status == "" and reset

    def test_one_that_cannot_be_made_is_not_waited_for(self, loaded, presenter, application, monkeypatch, caplog):
        def fails(*_):
            raise RuntimeError("a filter failed")

        monkeypatch.setattr("CoraNetSlicerLib.review.segment_surfaces.surface_making_steps", fails)
        presenter.set_visible_3d("radical", True)
        application.run()
        assert presenter.status == "" and "could not be made" in caplog.text

    def test_a_class_that_cannot_be_counted_is_not_waited_for(
        self, context, tmp_path, presenter, application, monkeypatch, caplog
    ):
        def fails(*_):
            raise ValueError("no voxels")

        monkeypatch.setattr("CoraNetSlicerLib.review.overlay_rows.count_class_volume", fails)
        presenter.show(load_case(context, tmp_path / "a" / "segment 1"))
        application.run()
        assert presenter.reason_not_copyable == "" and "could not be counted" in caplog.text


class TestVolumes:
    def test_they_are_counted_with_their_bounds(self, loaded, presenter):
        heads = synthetic_heads()
        for volume, value in zip(presenter.volumes, (PANCREAS, TUMOR), strict=False):
            counted = (volume.ml, volume.conservative_ml, volume.radical_ml)
            members = np.array([heads[head] == value for head in ("segmentation", "conservative", "radical")])
            expected = [members[0].sum() * VOXEL_ML, members.all(0).sum() * VOXEL_ML, members.any(0).sum() * VOXEL_ML]
            assert counted == pytest.approx(expected)
        assert presenter.volumes[-1].ml == pytest.approx((heads["uncertainty"] >= 0.5).sum() * VOXEL_ML)

    def test_bounds_enclose_a_lesion_that_the_conservative_head_sees_elsewhere(self, loaded, presenter, application):
        heads = synthetic_heads()
        elsewhere = np.roll(heads["radical"] == TUMOR, 1, axis=2)
        SegmentLayers(loaded.overlays, loaded.volume).write_whole(f"conservative-{TUMOR}", elsewhere)
        application.run()
        volume = presenter.volumes[1]
        is_tumor = heads["segmentation"] == TUMOR
        assert elsewhere.sum() > is_tumor.sum()
        assert volume.conservative_ml == pytest.approx((is_tumor & elsewhere).sum() * VOXEL_ML)
        assert volume.radical_ml == pytest.approx((is_tumor | elsewhere | (heads["radical"] == TUMOR)).sum() * VOXEL_ML)

    def test_segments_on_another_grid_have_bounds_by_their_own_volumes(self, loaded, presenter, application):
        before = presenter.volumes[0]
        segment = loaded.segmentation.GetSegmentation().GetSegment(f"segmentation-{PANCREAS}")
        segment.GetRepresentation("Binary labelmap").SetSpacing(0.5, 0.5, 0.5)
        segment.GetRepresentation("Binary labelmap").Modified()
        application.run()
        after = presenter.volumes[0]
        ml = before.ml / VOXEL_ML * 0.5**3 / 1000
        assert after.ml == pytest.approx(ml)
        assert [after.conservative_ml, after.radical_ml] == pytest.approx(
            [min(ml, before.conservative_ml), max(ml, before.radical_ml)]
        )

    def test_they_are_copied_as_a_table(self, loaded, presenter):
        assert presenter.reason_not_copyable == ""
        header, pancreas, tumor, uncertain = presenter.volumes_text().splitlines()
        assert header == "Structure\tResult (mL)\tConservative (mL)\tRadical (mL)"
        name, *numbers = pancreas.split("\t")
        assert name == "Pancreas" and [float(number) for number in numbers] == pytest.approx(
            [presenter.volumes[0].ml, presenter.volumes[0].conservative_ml, presenter.volumes[0].radical_ml], abs=6e-4
        )
        assert tumor.startswith("Tumor\t") and uncertain.startswith("Uncertain region\t")

    def test_until_they_are_counted_there_are_none(self, context, tmp_path, presenter, application):
        presenter.show(load_case(context, tmp_path / "a" / "segment 1"))
        assert [volume.ml for volume in presenter.volumes] == [None, None]
        assert presenter.reason_not_copyable == "The volumes are being counted."

    def test_they_follow_corrections(self, context, loaded, presenter, application):
        before = presenter.volumes[0].ml
        segmentation = loaded.segmentation.GetSegmentation()
        labelmap = segmentation.GetSegment(f"segmentation-{PANCREAS}").GetRepresentation("Binary labelmap")
        labelmap.GetPointData().GetScalars().SetTuple1(0, PANCREAS)
        labelmap.Modified()
        application.run()
        assert presenter.volumes[0].ml == pytest.approx(before + VOXEL_ML)

    def test_they_follow_a_result_that_is_loaded_again(self, context, tmp_path, loaded, presenter, application):
        prediction = Job.open(tmp_path / "a" / "segment 1").prediction(CASE_ID)
        write_image(np.zeros_like(synthetic_heads()["segmentation"]), prediction.segmentation)
        presenter.show(load_prediction(context, prediction, loaded.volume))
        application.run()
        assert [volume.ml for volume in presenter.volumes[:2]] == [0.0, 0.0]
        assert len(presenter.results) == 1


class TestSliding:
    @pytest.fixture
    def notch(self, loaded, presenter, application):
        """Takes a slice of the pancreas away, as a notch of a slide would."""
        presenter.apply_look("contours")
        application.run()
        presenter.set_sliding(True)
        layers = SegmentLayers(loaded.segmentation, loaded.volume)
        layers.keeps_surfaces = True
        ends = iter(range(4, 10))

        def take_away() -> None:
            box = MaskedBox((0, 0, 0), np.ones((next(ends), *layers.whole.mask.shape[1:]), bool))
            layers.write(box, {f"segmentation-{PANCREAS}": np.zeros(box.mask.size, bool)})

        return take_away

    def test_surfaces_follow_when_the_wheel_rests(self, loaded, notch, application):
        before = surface_of_segment(loaded.segmentation, f"segmentation-{PANCREAS}")
        notch()
        application.run(10)
        assert surface_of_segment(loaded.segmentation, f"segmentation-{PANCREAS}") is before
        application.run(400)
        assert surface_of_segment(loaded.segmentation, f"segmentation-{PANCREAS}") is not before
        assert is_surface_made(loaded.segmentation, f"segmentation-{PANCREAS}")

    def test_a_surface_that_is_made_anew_is_counted_once(self, presenter, notch, application):
        received = []
        presenter.changed.connect(lambda: received.append(presenter.status))
        notch()
        application.run(400)
        assert {status for status in received if status} == {"Making 3D surfaces: 1 of 1"}

    def test_a_scene_that_is_closed_meanwhile_ends_it(self, context, presenter, notch, application):
        presenter.changed.connect(lambda: notch() if presenter.status and context.scene.GetNumberOfNodes() else None)
        notch()
        application.run(200)
        assert presenter.status
        context.scene.Clear(0)
        presenter.restore()
        application.run()
        assert presenter.status == ""

    def test_the_next_notch_does_not_wait_for_surfaces(self, loaded, presenter, notch, application):
        stages = []

        def turn_on() -> None:
            if presenter.status and not stages:
                notch()
                # Nothing is made until it rests again.
                stages.append(presenter._surfaces._work.is_busy)

        presenter.changed.connect(turn_on)
        notch()
        application.run()
        assert stages == [False] and presenter.status == ""
        assert is_surface_made(loaded.segmentation, f"segmentation-{PANCREAS}")


def test_after_close_nothing_is_done_any_more(context, loaded, presenter, application):
    received = []
    presenter.changed.connect(lambda: received.append(1))
    presenter.caution.set(2.0)
    presenter.apply_look("contours")
    presenter.close()
    application.run()
    loaded.overlays.GetDisplayNode().SetVisibility(False)
    assert application.run() == 0 and received == []
