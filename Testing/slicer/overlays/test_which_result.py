"""Which result is shown, what gives way to it, and what a saved scene keeps of it."""

from __future__ import annotations

import numpy as np
import pytest
from queued_application import QueuedApplication
from scene_builders import (
    LIVER_MASK,
    SHAPE_KJI,
    add_segmentation,
    add_volume,
    array_of,
    numpy_matrix,
    rotated_ijk_to_ras,
)
from scene_bundles import saved_and_reloaded
from shown_results import drawn, load_case
from synthetic_predictions import CASE_ID, TUMOR, synthetic_heads

from coranet.contract.errors import DataError
from CoraNetSlicerLib.core.parameters import Parameters
from CoraNetSlicerLib.core.results import FOLDER_ATTRIBUTE, nodes_of_class, results_in_scene
from CoraNetSlicerLib.review.caution import draw_uncertain_region
from CoraNetSlicerLib.review.overlays_presenter import OverlaysPresenter

VOXEL_ML = 0.9 * 0.7 * 2.5 / 1000
RED = (0.8, 0.2, 0.1)


class TestOtherSegmentations:
    """One case at a time: what else is drawn in the scene gives way to a result, and comes back."""

    @pytest.fixture
    def truth(self, context):
        volume = add_volume(context, "Patient 1", np.zeros(SHAPE_KJI, np.float32), rotated_ijk_to_ras())
        return add_segmentation(context, "Patient 1 truth", volume, {"Pancreas": LIVER_MASK})

    def test_all_are_hidden_when_a_result_is_chosen(self, context, tmp_path, presenter, truth):
        loaded = load_case(context, tmp_path / "a" / "segment 1")
        free = context.scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "free")
        free.CreateDefaultDisplayNodes()
        presenter.show(loaded)
        assert not truth.GetDisplayNode().GetVisibility() and not free.GetDisplayNode().GetVisibility()
        assert loaded.segmentation.GetDisplayNode().GetVisibility()
        assert presenter.others_text == "Hide the 2 other segmentations" and presenter.hides_others

    def test_they_come_back_when_a_person_says_so(self, context, tmp_path, presenter, truth):
        hidden = add_segmentation(context, "hidden", truth.GetNodeReference("referenceImageGeometryRef"), {})
        hidden.GetDisplayNode().SetVisibility(False)
        loaded = load_case(context, tmp_path / "a" / "segment 1")
        presenter.show(loaded)
        presenter.set_hides_others(False)
        assert truth.GetDisplayNode().GetVisibility() and not hidden.GetDisplayNode().GetVisibility()
        presenter.choose(loaded.segmentation.GetID())
        assert truth.GetDisplayNode().GetVisibility()
        presenter.set_hides_others(True)
        assert not truth.GetDisplayNode().GetVisibility()

    def test_they_come_back_with_the_last_result_gone(self, context, tmp_path, presenter, application, truth):
        loaded = load_case(context, tmp_path / "a" / "segment 1")
        presenter.show(loaded)
        for node in (loaded.segmentation, loaded.overlays):
            context.scene.RemoveNode(node)
        application.run()
        assert truth.GetDisplayNode().GetVisibility() and presenter.others_text == ""

    @pytest.mark.parametrize("name", ["CloseState", "ImportState"])
    def test_while_the_scene_closes_or_loads_nothing_is_touched(
        self, context, tmp_path, presenter, application, truth, name
    ):
        loaded = load_case(context, tmp_path / "a" / "segment 1")
        presenter.show(loaded)
        state = getattr(context.scene, name)
        context.scene.StartState(state)
        for node in (loaded.segmentation, loaded.overlays):
            context.scene.RemoveNode(node)
        application.run()
        assert not truth.GetDisplayNode().GetVisibility()
        context.scene.EndState(state)

    def test_one_that_has_no_display_node_yet_is_no_obstacle(self, context, tmp_path, presenter, application, truth):
        loaded = load_case(context, tmp_path / "a" / "segment 1")
        presenter.show(loaded)
        truth.RemoveAllDisplayNodeIDs()
        for node in (loaded.segmentation, loaded.overlays):
            context.scene.RemoveNode(node)
        application.run()
        assert presenter.current is None

    def test_who_shows_them_again_sees_them(self, context, tmp_path, presenter, application, truth):
        loaded = load_case(context, tmp_path / "a" / "segment 1")
        presenter.show(loaded)
        truth.GetDisplayNode().SetVisibility(True)
        application.run()
        presenter.apply_look("filled")
        application.run()
        assert truth.GetDisplayNode().GetVisibility()
        presenter.choose(str(loaded.segmentation.GetID()))
        assert not truth.GetDisplayNode().GetVisibility()

    def test_without_others_nothing_is_asked(self, loaded, presenter):
        assert presenter.others_text == ""


class TestWhichResult:
    @pytest.fixture
    def other(self, context, tmp_path, loaded, presenter, application):
        other = load_case(context, tmp_path / "b" / "segment 2")
        presenter.show(other)
        application.run()
        return other

    def test_the_newest_is_shown_alone_with_its_volume(self, loaded, other, presenter, application, views):
        assert presenter.current.segmentation is other.segmentation
        assert list(presenter.results.values()) == [f"{CASE_ID} (segment 1)", f"{CASE_ID} (segment 2)"]
        assert not loaded.segmentation.GetDisplayNode().GetVisibility()
        assert not loaded.overlays.GetDisplayNode().GetVisibility()
        assert application.shown[-1] is other.volume

    def test_another_is_chosen_with_its_own_look_and_the_map_comes_along(self, loaded, other, presenter, row, views):
        presenter.apply_look("filled")
        presenter.uncertainty_map.set_legend(True)
        presenter.choose(loaded.segmentation.GetID())
        assert drawn(row) == ("rcRum", "r")
        assert views[0].GetForegroundVolumeID() == loaded.uncertainty.GetID()
        assert views[0].GetBackgroundVolumeID() == loaded.volume.GetID()
        assert presenter.uncertainty_map.has_legend
        presenter.choose(other.segmentation.GetID())
        assert drawn(row) == ("rm", "r")

    def test_one_that_comes_while_somebody_is_at_work_waits(self, context, tmp_path, loaded, presenter, application):
        presenter.is_held = True
        other = load_case(context, tmp_path / "b" / "segment 2")
        presenter.show(other)
        application.run()
        assert presenter.current.segmentation is loaded.segmentation
        assert presenter.status == f"'{CASE_ID} (segment 2)' is ready: choose it above."
        assert loaded.segmentation.GetDisplayNode().GetVisibility()
        assert not other.segmentation.GetDisplayNode().GetVisibility()
        presenter.choose(other.segmentation.GetID())
        assert presenter.current.segmentation is other.segmentation and presenter.status == ""

    def test_several_that_wait_are_counted(self, context, tmp_path, loaded, presenter, application):
        presenter.is_held = True
        for name in "bc":
            presenter.show(load_case(context, tmp_path / name / "segment 2"))
        application.run()
        assert presenter.status == "2 other results are ready: choose one above."

    def test_of_one_job_the_first_stays_in_view(self, context, tmp_path, loaded, presenter, application):
        folder = loaded.segmentation.GetAttribute(FOLDER_ATTRIBUTE)
        other = load_case(context, tmp_path / "b" / "segment 2")
        other.segmentation.SetAttribute(FOLDER_ATTRIBUTE, folder)
        presenter.show(other)
        application.run()
        assert presenter.current.segmentation is loaded.segmentation
        assert "is ready: choose it above." in presenter.status

    def test_results_and_volumes_of_one_name_are_told_apart(self, context, loaded, other, tmp_path, presenter):
        third = load_case(context, tmp_path / "c" / "segment 1")
        presenter.show(third)
        assert len(set(presenter.results.values())) == 3
        assert list(presenter.results.values())[0] == f"{CASE_ID} (segment 1) [1]"
        twin = add_volume(context, CASE_ID, array_of(third.volume), numpy_matrix(third.volume))
        third.segmentation.SetNodeReferenceID("CoraNetSlicer.Volume", twin.GetID())
        presenter.choose(third.segmentation.GetID())
        assert sorted(presenter.results.values()) == [
            f"{CASE_ID} [1] (segment 1)", f"{CASE_ID} [1] (segment 2)", f"{CASE_ID} [2]",
        ]  # fmt: skip

    def test_3d_views_are_centred_on_a_result_once(self, context, tmp_path, presenter):
        camera = context.scene.AddNewNodeByClass("vtkMRMLCameraNode", "Camera")
        camera.SetFocalPoint(900.0, 0.0, 0.0)
        loaded = load_case(context, tmp_path / "a" / "segment 1")
        presenter.show(loaded)
        center = camera.GetFocalPoint()
        assert center != (900.0, 0.0, 0.0)
        camera.SetFocalPoint(900.0, 0.0, 0.0)
        presenter.choose(loaded.segmentation.GetID())
        assert camera.GetFocalPoint() == (900.0, 0.0, 0.0)

    def test_3d_views_are_centred_once_more_when_the_surface_comes(self, context, tmp_path, presenter, application):
        camera = context.scene.AddNewNodeByClass("vtkMRMLCameraNode", "Camera")
        presenter.show(load_case(context, tmp_path / "a" / "segment 1"))
        for expected in (False, True):
            camera.SetFocalPoint(900.0, 0.0, 0.0)
            presenter.set_visible_3d("result", True)
            application.run()
            assert (camera.GetFocalPoint() == (900.0, 0.0, 0.0)) == expected

    def test_a_view_that_looks_into_the_middle_from_far_away_comes_near(self, context, tmp_path, presenter):
        camera = context.scene.AddNewNodeByClass("vtkMRMLCameraNode", "Camera")
        loaded = load_case(context, tmp_path / "a" / "segment 1", surfaces=True)
        bounds = np.zeros(6)
        loaded.segmentation.GetRASBounds(bounds)
        middle = (bounds[::2] + bounds[1::2]) / 2
        camera.SetFocalPoint(*middle)
        camera.SetPosition(*(middle + (0.0, 5000.0, 0.0)))
        presenter.show(loaded)
        assert np.linalg.norm(np.subtract(camera.GetPosition(), camera.GetFocalPoint())) < 500

    def test_a_result_that_is_gone_cannot_be_chosen(self, context, loaded, other, presenter, application):
        context.scene.RemoveNode(loaded.segmentation)
        application.run()
        assert list(presenter.results) == [other.segmentation.GetID()]
        with pytest.raises(DataError, match="no longer in the scene"):
            presenter.choose("vtkMRMLSegmentationNode99")

    def test_when_the_shown_one_is_deleted_another_takes_its_place(
        self, context, loaded, other, presenter, application
    ):
        context.scene.RemoveNode(other.segmentation)
        application.run()
        assert presenter.current.segmentation is loaded.segmentation
        context.scene.RemoveNode(loaded.segmentation)
        application.run()
        assert presenter.reason == "Segment a volume first."

    def test_a_result_that_is_being_loaded_is_not_offered(self, context, tmp_path, presenter, application):
        loaded = load_case(context, tmp_path / "a" / "segment 1")
        loaded.segmentation.SetAttribute("CoraNetSlicer.Filling", "1")
        context.scene.AddNewNodeByClass("vtkMRMLTextNode")
        application.run()
        assert presenter.results == {} and presenter.current is None

    def test_a_result_that_the_console_loads_is_found(self, context, tmp_path, presenter, application):
        loaded = load_case(context, tmp_path / "a" / "segment 1")
        application.run()
        assert presenter.current.segmentation is loaded.segmentation


class TestSavedScene:
    def test_a_loaded_scene_shows_what_was_saved(self, context, tmp_path, loaded, presenter, application):
        job_is_gone = tmp_path / "a"
        presenter.set_color("result", f"segmentation-{TUMOR}", RED)
        presenter.set_opacity("radical", 0.7)
        presenter.set_visible_2d("conservative", False)
        draw_uncertain_region(loaded, 1.5)
        before = presenter.rows[:4]
        volumes = presenter.volumes_text().splitlines()[:3]
        job_is_gone.rename(tmp_path / "elsewhere")
        again = saved_and_reloaded(context, tmp_path)
        application = QueuedApplication(again.scene)
        reloaded = OverlaysPresenter(again, Parameters(again.scene), application)
        application.run()
        for row, was in zip(reloaded.rows, before, strict=False):
            assert (row.kind, row.visible_2d, row.reason) == (was.kind, was.visible_2d, "")
            assert row.opacity == pytest.approx(was.opacity)
            np.testing.assert_allclose(
                [row_color.color for row_color in row.colors], [row_color.color for row_color in was.colors], atol=1e-3
            )
        assert reloaded.volumes_text().splitlines()[:3] == volumes
        assert (reloaded.caution.value, reloaded.caution.model_value) == (1.5, 0.0)
        reloaded.caution.set(0.0)
        application.run()
        flagged = (synthetic_heads()["uncertainty"] >= 0.5).sum()
        assert reloaded.caution.region.ml == pytest.approx(flagged * VOXEL_ML)
        reloaded.close()

    @pytest.mark.parametrize("has_surfaces", [True, False])
    def test_its_surfaces_are_coloured_without_a_click(self, context, tmp_path, has_surfaces):
        load_case(context, tmp_path / "a" / "segment 1", surfaces=has_surfaces)
        again = saved_and_reloaded(context, tmp_path)
        if not has_surfaces:
            for result in results_in_scene(again.scene):
                result.segmentation.GetSegmentation().RemoveRepresentation("Closed surface")
        application = QueuedApplication(again.scene)
        presenter = OverlaysPresenter(again, Parameters(again.scene), application)
        application.run()
        models = nodes_of_class(again.scene, "vtkMRMLModelNode")
        assert len(models) == 2 and all(node.GetDisplayNode().GetVisibility() for node in models)
        presenter.close()

    def test_a_closed_scene_leaves_nothing(self, context, loaded, presenter, application):
        context.scene.Clear(0)
        presenter.restore()
        application.run()
        assert presenter.results == {} and presenter.reason
