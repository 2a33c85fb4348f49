"""The overlays without widgets: one result of the scene, how it is drawn, and how large it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Optional

from coranet.contract import Review
from coranet.contract.errors import DataError

from ..core.context import SceneContext
from ..core.notification import Observation, Signal
from ..core.parameters import Parameters
from ..core.protocols import Host
from ..core.results import (
    VOLUME_REFERENCE,
    LoadedPrediction,
    is_filled,
    job_name,
    nodes_of_class,
    result_texts,
    results_in_scene,
    segment_id,
)
from ..core.stepwise import Deferred
from ..core.translation import _
from .caution import CautionDial, draw_decided_bounds, quality_text, with_verdict
from .hiding import Hiding, hide_other_segmentations, other_segmentations, show_alone, show_other_segmentations
from .overlay_rows import UNCERTAINTY, ClassVolume, OverlayRow, VolumeCounting, overlay_rows, volumes_table
from .overlays import (
    LOOKS,
    RESULT,
    SEGMENT_OVERLAYS,
    Appearance,
    Color,
    apply_look,
    is_surface_colored,
    reason_no_result,
    set_class_color,
    set_faint,
    shown_look,
)
from .region_review import RegionReview
from .region_view import show_result_in_cameras
from .result_surface import SurfaceColoring
from .segment_surfaces import SurfaceMaking
from .uncertainty_map import UncertaintyMap

_SHOWN_ROLE, _HIDES_OTHERS = "shownResult", "hidesOtherSegmentations"
# Longer than between two moves of a hand at a slider, and than between two notches of a wheel that is turned.
_REST_MS, _WHEEL_REST_MS = 500, 150


class OverlaysPresenter:
    """The result that is looked at. How it looks lies in the display nodes, so that the scene keeps it.

    Attributes:
        changed: sent after changes of what is shown, from anywhere.
        note: which result has come while another one was being reviewed; "" if none.
        is_held: whether the result that is shown stays when another one comes.
        is_edited: whether the result is being painted in.
        caution: the dial that draws the uncertain region wider or narrower.
        reviewed: the decisions that are drawn; None: none were taken into account.
        uncertainty_map: the map over the volume, and its legend.
    """

    def __init__(self, context: SceneContext, parameters: Parameters, application: Host) -> None:
        """Look at what the scene holds; `parameters` keep which result is shown."""
        self.changed = Signal()
        self._context = context
        self._parameters = parameters
        self._application = application
        self.note = ""
        self.is_held = self.is_edited = False
        self._framed: dict[str, bool] = {}
        self._results: dict[str, LoadedPrediction] = {}
        self._key = ""
        self._attached: tuple[object, ...] = ()
        self.reviewed: Optional[Review] = None
        self._must_recount = self._is_sliding = False
        self._is_place_marked = False
        self._paint = Deferred(application, self.changed.send)
        self._look_again = Deferred(application, self._look)
        self._rest = Deferred(application, self._on_rest)
        self._surfaces = SurfaceMaking(application, self._paint.request, self._on_surfaces)
        self._counting = VolumeCounting(application, self._paint.request)
        self._coloring = SurfaceColoring(context, application)
        self._follow_surfaces = Deferred(application, self._coloring.follow)
        self._hiding = Hiding(context, application)
        self.uncertainty_map = UncertaintyMap(context, application, self._paint.request)
        self.caution = CautionDial(application, self._paint.request)
        self._nodes = Observation()
        self._scene = Observation()
        self._scene.of_nodes(context.scene, self._look_again.request)
        self.restore()

    @property
    def results(self) -> dict[str, str]:
        """All results of the scene: key -> what a person calls it, and how good it is expected to be."""
        texts = result_texts(self._results.values())
        return {key: with_verdict(text, self._results[key].segmentation) for key, text in texts.items()}

    @property
    def quality_text(self) -> str:
        """Why the result that is shown should be looked at; "" where it is good, or unknown."""
        return quality_text(self.current.segmentation) if self.current is not None else ""

    @property
    def key(self) -> str:
        """Of the result that is shown; "" if there is none."""
        return self._key

    @property
    def current(self) -> Optional[LoadedPrediction]:
        """The result that is shown."""
        return self._results.get(self._key)

    @property
    def reason(self) -> str:
        """Why nothing can be done; "" if there is a result."""
        return "" if self.current is not None else reason_no_result()

    @property
    def others_text(self) -> str:
        """The question whether other segmentations give way to the result; "" if there are none."""
        count = len(other_segmentations(self._context)) if self.current is not None else 0
        if count < 2:
            return _("Hide the other segmentation") if count else ""
        return _("Hide the {count} other segmentations").format(count=count)

    @property
    def hides_others(self) -> bool:
        """Whether other segmentations give way to the result."""
        return bool(self._parameters.value(_HIDES_OTHERS, True))

    def set_hides_others(self, hides: bool) -> None:
        """Let other segmentations give way to the result, or bring them back."""
        self._parameters.set_value(_HIDES_OTHERS, hides)
        self._show_or_hide_others()
        self._paint.request()

    def show(self, loaded: LoadedPrediction) -> None:
        """Show a result that was just loaded, unless a person looks at another one: of a job, the first is shown."""
        self._look()
        key = str(loaded.segmentation.GetID())
        current = self.current
        if current is not None and self._key != key and (self.is_held or self._is_of_shown_job(loaded)):
            show_alone(current, self._results.values())
            others = [text for other, text in result_texts(self._results.values()).items() if other != self._key]
            several = _("{count} other results are ready: choose one above.").format(count=len(others))
            self.note = several if len(others) > 1 else _("'{name}' is ready: choose it above.").format(name=others[0])
            return
        # What was counted and measured belongs to the result that it takes the place of.
        self._attached = ()
        self.choose(key)

    def _is_of_shown_job(self, loaded: LoadedPrediction) -> bool:
        job = job_name(loaded.segmentation)
        return bool(job) and self.current is not None and job_name(self.current.segmentation) == job

    def choose(self, key: str) -> None:
        """Show another result, alone and in its place in the views, instead of the one that is shown.

        Raises:
            DataError: it is not in the scene.
        """
        before = self.current
        self._hiding.show()
        self._look()
        if key not in self._results:
            raise DataError(_("This result is no longer in the scene; choose another."))
        self._key, self.note, current = key, "", self._results[key]
        self._parameters.set_nodes(_SHOWN_ROLE, [current.segmentation])
        show_alone(current, self._results.values())
        set_faint(current, self._is_place_marked)
        self._show_or_hide_others()
        self._bring_into_view(current)
        self._look()
        self.uncertainty_map.take_over(before)

    def restore(self) -> None:
        """Show what the scene remembers, after it was loaded or cleared."""
        shown = self._parameters.nodes(_SHOWN_ROLE)
        self._key, self.note = str(shown[0].GetID()) if shown else "", ""
        self._attached = ()
        self._framed.clear()
        self._look()

    def close(self) -> None:
        """Let go of the scene."""
        self._nodes.end()
        self._scene.end()
        self._hiding.show()
        deferred = (self._paint, self._look_again, self._rest, self._follow_surfaces)
        for part in (*deferred, self._surfaces, self._coloring, self._counting, self.caution):
            part.close()

    @property
    def rows(self) -> list[OverlayRow]:
        """How each overlay is drawn now, in the order of KINDS."""
        return overlay_rows(self.current, self.uncertainty_map)

    @property
    def status(self) -> str:
        """What is being made, or which result has come; "" if neither."""
        return self._surfaces.status or self.note

    def set_visible_2d(self, kind: str, visible: bool) -> None:
        """Draw one of overlay_rows.KINDS in slices, or do not."""
        if kind == UNCERTAINTY:
            self.uncertainty_map.set_visible(visible)
        else:
            self._change(kind, lambda appearance: appearance.set_visible_2d(visible))

    def set_visible_3d(self, kind: str, visible: bool) -> None:
        """Draw an overlay in 3D, or do not; a surface that is missing is made."""
        if visible and not self._surfaces.status:
            # Those that are to be drawn but have no surface would appear with it.
            for other in (row.kind for row in self.rows if row.visible_3d is False):
                self._change(other, lambda appearance: appearance.set_visible_3d(False))
        self._change(kind, lambda appearance: appearance.set_visible_3d(visible))
        if visible and self.current is not None:
            self._surfaces.make([Appearance(self.current, kind).surfaces])

    def set_opacity(self, kind: str, opacity: float) -> None:
        """Draw an overlay lighter or heavier; opacity in [0, 1]."""
        if kind == UNCERTAINTY:
            self.uncertainty_map.set_opacity(opacity)
        else:
            self._change(kind, lambda appearance: appearance.set_opacity(opacity))

    def set_color(self, kind: str, key: str, color: Color) -> None:
        """Give a segment a colour; that of a class in the result gives its bounds the fitting tones."""
        current = self.current
        labels = current.labels if current is not None and kind == RESULT else ()
        label = next((label for label in labels if segment_id(label) == key), None)
        if current is not None and label is not None:
            set_class_color(current, label, color)
        else:
            self._change(kind, lambda appearance: appearance.set_color(key, color))
        self._paint.request()

    @property
    def look(self) -> str:
        """The look that is on, one of overlays.LOOKS; "" if it was changed by hand, or there is no result."""
        return "" if self.current is None else shown_look(self.current, self.uncertainty_map.is_visible)

    def apply_look(self, name: str) -> None:
        """Draw a look, one of overlays.LOOKS; surfaces that it misses are made."""
        if self.current is None:
            return
        look = LOOKS[name]
        apply_look(self.current, look)
        set_faint(self.current, self._is_place_marked)
        if look.has_map:
            self.uncertainty_map.set_legend(True)
        else:
            self.uncertainty_map.set_visible(False)
        self._surfaces.make([Appearance(self.current, kind).surfaces for kind in look.in_3d])
        self._coloring.follow()
        self._coloring.refresh()
        self._paint.request()

    def set_place_marked(self, is_marked: bool) -> None:
        """Say whether a place of the uncertain region is marked: the rest of it is drawn faintly then."""
        self._is_place_marked = is_marked
        if self.current is not None:
            set_faint(self.current, is_marked)

    def hold(self, is_held: bool, is_edited: bool) -> None:
        """Set whether the result that is shown stays when another one comes, and whether it is being painted in."""
        self.is_held = is_held
        if is_edited != self.is_edited:
            self.is_edited = is_edited
            self._paint.request()

    def set_sliding(self, is_sliding: bool) -> None:
        """Say whether a boundary is being slid: what is measured of the voxels is measured when that ends."""
        ends, self._is_sliding = self._is_sliding and not is_sliding, is_sliding
        if ends:
            self._on_segments()

    def hold_hidden(self, is_held: bool) -> None:
        """Hide all that lies over the anatomy while a key is held."""
        if is_held and self.current is not None:
            self._hiding.hide()
        else:
            self._hiding.show()

    @property
    def volumes(self) -> list[ClassVolume]:
        """Volume of each class with its bounds, and of the uncertain region; None where nothing is counted yet."""
        region = self.caution.region
        uncertain = [ClassVolume(_("Uncertain region"), region.ml)] if region is not None else []
        # Named as the segments are now.
        names = {label.value: label.name for label in self.current.labels} if self.current is not None else {}
        counted = [replace(volume, name=names.get(volume.value, volume.name)) for volume in self._counting.volumes]
        return [*counted, *uncertain]

    def show_reviewed(self, review: RegionReview) -> None:
        """Draw and count decided regions of the result that is shown as what they are: not uncertain any more."""
        self.reviewed = review.review
        decided = review.decided_boxes()
        draw_decided_bounds(review.loaded, decided)
        self.caution.set_reviewed(decided)
        self._paint.request()

    @property
    def reason_not_copyable(self) -> str:
        """Why the volumes cannot be copied; "" if they can."""
        return self.reason or ("" if self._counting.is_complete else _("The volumes are being counted."))

    def volumes_text(self) -> str:
        """The volumes as a table with a header, for a spreadsheet: columns between tabs, mL with three decimals."""
        return volumes_table(self.volumes)

    def _change(self, kind: str, change: Callable[[Appearance], None]) -> None:
        """Change how an overlay is drawn; what is not there stays as it is."""
        if self.current is not None:
            appearance = Appearance(self.current, kind)
            if appearance.segment_ids:
                change(appearance)
        self._paint.request()

    def _on_look(self) -> None:
        if self._hiding.is_on:
            # For a moment; nothing else has changed.
            return
        self._paint.request()
        self._follow_surfaces.request()
        self._rest.request_at_rest(_REST_MS)

    def _on_rest(self) -> None:
        """Make the surfaces that were lost, and colour those that have changed."""
        self._coloring.refresh()
        missing: list[Appearance] = []
        if self.current is not None:
            # Results of the command line have no surfaces, and a scene can be saved without them.
            is_colored = is_surface_colored(self.current.segmentation)
            shown = [Appearance(self.current, kind) for kind in SEGMENT_OVERLAYS]
            missing = [
                appearance
                for appearance in shown
                if appearance.misses_surface or (is_colored and appearance.kind == RESULT and appearance.ids_in_3d)
            ]
        self._surfaces.make([appearance.surfaces for appearance in missing])

    def _on_surfaces(self) -> None:
        self._coloring.refresh()
        self._frame()
        # What is drawn reaches further than before, and would be cut off.
        for camera in nodes_of_class(self._context.scene, "vtkMRMLCameraNode"):
            camera.ResetClippingRange()

    def _show_or_hide_others(self) -> None:
        (hide_other_segmentations if self.hides_others else show_other_segmentations)(self._context)

    def _bring_into_view(self, loaded: LoadedPrediction) -> None:
        volume = loaded.volume
        shown = [view.GetBackgroundVolumeID() for view in self.uncertainty_map.views]
        if volume is not None and volume.GetID() not in shown:
            self._application.show_volume(volume)
        self._frame()

    def _frame(self) -> None:
        """Turn the cameras to the result: once, and once more if it had no surface then."""
        if self.current is None:
            return
        has_surface = bool(Appearance(self.current, RESULT).is_visible_3d)
        if self._key not in self._framed or has_surface > self._framed[self._key]:
            self._framed[self._key] = has_surface
            cameras = nodes_of_class(self._context.scene, "vtkMRMLCameraNode")
            show_result_in_cameras(self.current, cameras, always=True)

    def _look(self) -> None:
        """Look what the scene holds, and attach to the current result; what is being loaded is not there yet."""
        if self._context.scene.IsClosing() or self._context.scene.IsImporting():
            # What is shown or hidden now would be found half gone, or half there; `restore` follows.
            return
        results = {str(loaded.segmentation.GetID()): loaded for loaded in results_in_scene(self._context.scene)}
        self._results = {
            key: loaded for key, loaded in results.items() if key == self._key or is_filled(loaded.segmentation)
        }
        self._framed = {key: framed for key, framed in self._framed.items() if key in self._results}
        if self._key not in self._results:
            self._key = next(iter(self._results), "")
            if not self._key:
                show_other_segmentations(self._context)
        self.uncertainty_map.attach(self.current)
        self._coloring.attach(self.current)
        self._observe()
        identity = _identity(self.current)
        is_other = identity != self._attached
        if is_other:
            self._attached = identity
            self.reviewed = None
            self.caution.attach(self.current)
            # What was outdated while another result was shown.
            self._rest.request_at_rest(_REST_MS)
        if is_other or self._must_recount:
            self._must_recount = False
            self._counting.attach(self.current)
        self._paint.request()

    def _observe(self) -> None:
        self._nodes.end()
        if self.current is None:
            return
        for view in self.uncertainty_map.views:
            self._nodes.of_node(view, self._paint.request)
        volume = self.current.segmentation.GetNodeReference(VOLUME_REFERENCE)
        if volume is not None:
            # Once it is cropped or moved, it is no longer that of the result.
            self._nodes.of_content(volume, self._look_again.request)
        for node in (self.current.segmentation, self.current.overlays):
            if node is None:
                continue
            self._nodes.of_voxels(node, self._on_voxels)
            self._nodes.of_segments(node, self._on_segments)
            if node.GetDisplayNode() is not None:
                self._nodes.of_node(node.GetDisplayNode(), self._on_look)

    def _on_segments(self) -> None:
        if self._is_sliding:
            return
        self._look_again.request()
        self._rest.request_at_rest(_REST_MS)

    def _on_voxels(self) -> None:
        if self.caution.is_drawing:
            self._on_segments()
            return
        self._must_recount = True
        if self._is_sliding:
            # Surfaces follow when the wheel rests; a notch of it must not wait for their next step.
            self._surfaces.pause()
            self._rest.request_at_rest(_WHEEL_REST_MS)
        else:
            self._look_again.request()


def _identity(loaded: Optional[LoadedPrediction]) -> tuple[object, ...]:
    """What must be the same for what was counted and measured to hold."""
    if loaded is None:
        return (None,)
    nodes = (loaded.volume, loaded.segmentation, loaded.overlays, loaded.uncertainty)
    return (*nodes, *(label.value for label in loaded.labels))
