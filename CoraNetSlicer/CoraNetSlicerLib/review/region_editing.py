"""Painting inside one region with the Segment Editor; whatever it changes elsewhere is put back."""

from __future__ import annotations

from typing import Any, NamedTuple, Optional

import numpy as np
import slicer

from ..core.context import SceneContext
from ..core.images import size_kji
from ..core.results import UNCERTAIN_COLOR, LoadedPrediction, nodes_of_class
from ..core.segment_classes import BINARY_LABELMAP, CLOSED_SURFACE
from ..core.translation import _
from .segment_layers import MaskedBox, SegmentLayers
from .segment_surfaces import add_without_surface

MASK_SEGMENT = "coranet-region"
# Singleton tags of vtkMRMLSegmentEditorNode: of the module Segment Editor, and of the editor in the panel. Two widgets
# on one node would both paint.
MODULE_EDITOR, PANEL_EDITOR = "SegmentEditor", "CoraNetSlicerEditor"
_EFFECT = "Paint"


class _KeptSegment(NamedTuple):
    segment: Any
    label_value: int
    voxels: Any
    surface: Any


class RegionEditing:
    """Prepares the Segment Editor for one region, and takes back what it has done.

    Attributes:
        number: of the region that is being edited; None if none is.
        editor: the vtkMRMLSegmentEditorNode that edits it; None if none does.
    """

    def __init__(self, context: SceneContext, loaded: LoadedPrediction) -> None:
        """Take the result; what an edit has left in a saved scene, a mask and editors that keep to it, is removed."""
        self.number: Optional[int] = None
        self._context = context
        self._loaded = loaded
        self._layers = SegmentLayers(loaded.segmentation, loaded.volume)
        self._box: Any = None
        self._before: dict[str, _KeptSegment] = {}
        self.editor: Any = None
        self._settings: dict[str, Any] = {}
        self._hidden: list[str] = []
        self._remove_mask()
        for editor in nodes_of_class(context.scene, "vtkMRMLSegmentEditorNode"):
            if editor.GetMaskSegmentID() == MASK_SEGMENT and editor.GetSegmentationNode() is loaded.segmentation:
                _free(editor)

    def begin(self, number: int, box: MaskedBox, selected: str, editor_tag: str = MODULE_EDITOR) -> Any:
        """Let only the voxels of a region be painted, first with the selected segment.

        Returns:
            The scene's vtkMRMLSegmentEditorNode of that tag (MODULE_EDITOR or PANEL_EDITOR), with the effect Paint.
        """
        # Read before anything is changed: segments on another grid raise an error.
        self._layers.read(box)
        # Undo in the Segment Editor brings back the mask of an edit before.
        self._remove_mask()
        self._before = self._kept()
        self._box = box
        mask = self._layers.segment_of(box, _("Region {number}").format(number=number), UNCERTAIN_COLOR)
        add_without_surface(self._loaded.segmentation, mask, MASK_SEGMENT)
        self._show_classes()
        self.editor = self._editor_node(editor_tag)
        self._prepare_editor(selected)
        self.number = number
        return self.editor

    def pause(self, is_paused: bool) -> None:
        """Put the brush away while the editor is hidden, or take it up again."""
        if self.editor is not None:
            self.editor.SetActiveEffectName("" if is_paused else _EFFECT)

    def end(self) -> tuple[dict[str, np.ndarray], int]:
        """Bring everything back to what it was when the edit began.

        Returns:
            Which voxels of the region each segment had got, by id, flat; and how many voxels outside of the region had
            changed.
        """
        self._restore_editor()
        self._remove_mask()
        painted = {
            identifier: voxels
            for identifier, voxels in self._layers.read(self._box).items()
            if identifier in self._before
        }
        outside = self._put_back()
        self._restore_visibility()
        self._before, self._box, self.editor, self.number = {}, None, None, None
        return painted, outside

    def _kept(self) -> dict[str, _KeptSegment]:
        segmentation = self._loaded.segmentation.GetSegmentation()
        segments = {}
        for labelmap, ids in self._layers.layers():
            copy = slicer.vtkOrientedImageData()
            if labelmap is not None:
                copy.DeepCopy(labelmap)
            for identifier in ids:
                segment = segmentation.GetSegment(identifier)
                surface = segment.GetRepresentation(CLOSED_SURFACE)
                voxels = copy if labelmap is not None else None
                segments[identifier] = _KeptSegment(segment, segment.GetLabelValue(), voxels, surface)
        return segments

    def _put_back(self) -> int:
        """Give all segments what they had before; returns how many voxels outside of the region were others."""
        box = self._changed()
        inside = np.zeros(size_kji(self._loaded.volume), bool)
        inside[self._box.slices][self._box.mask] = True
        is_outside = ~box.of(inside)
        outside, is_other = 0, False
        for identifier, before in self._before.items():
            labelmap, value = self._now(identifier)
            differs = (self._layers.values(labelmap, box) == value) != (
                self._layers.values(before.voxels, box) == before.label_value
            )
            outside += int(np.count_nonzero(differs & is_outside))
            is_other = is_other or bool(differs.any())
        if is_other:
            segmentation = self._loaded.segmentation.GetSegmentation()
            # The first segment last: as soon as it has a surface, Slicer thinks that the node has all of them.
            for identifier, before in reversed(list(self._before.items())):
                _restore(segmentation, identifier, before)
            self._layers.notify([])
        return outside

    def _changed(self) -> MaskedBox:
        """The voxels of the volume that may belong to other segments than when the edit began."""
        pairs = {}
        for identifier, before in self._before.items():
            labelmap, value = self._now(identifier)
            voxels = before.voxels if value == before.label_value else None
            if labelmap is not None or before.voxels is not None:
                pairs[id(labelmap), id(voxels)] = labelmap, voxels
        return self._layers.changed(pairs.values())

    def _now(self, identifier: str) -> tuple[Any, int]:
        """The labelmap of a segment and its value there; (None, 0) where it is gone."""
        segment = self._loaded.segmentation.GetSegmentation().GetSegment(identifier)
        return (
            (segment.GetRepresentation(BINARY_LABELMAP), segment.GetLabelValue()) if segment is not None else (None, 0)
        )

    def _remove_mask(self) -> None:
        segmentation = self._loaded.segmentation.GetSegmentation()
        if segmentation.GetSegment(MASK_SEGMENT) is not None:
            segmentation.RemoveSegment(MASK_SEGMENT)

    def _show_classes(self) -> None:
        """Segments that are hidden would not give way to what is painted; the mask must not."""
        display = self._loaded.segmentation.GetDisplayNode()
        if display is None:
            return
        self._hidden = [identifier for identifier in self._before if not display.GetSegmentVisibility(identifier)]
        for identifier in self._hidden:
            display.SetSegmentVisibility(identifier, True)
        display.SetSegmentVisibility(MASK_SEGMENT, False)

    def _restore_visibility(self) -> None:
        display = self._loaded.segmentation.GetDisplayNode()
        for identifier in self._hidden if display is not None else []:
            display.SetSegmentVisibility(identifier, False)
        self._hidden = []

    def _editor_node(self, tag: str) -> Any:
        scene = self._context.scene
        node = scene.GetSingletonNode(tag, "vtkMRMLSegmentEditorNode")
        if node is None:
            node = slicer.vtkMRMLSegmentEditorNode()
            node.SetSingletonTag(tag)
            node = scene.AddNode(node)
        return node

    def _prepare_editor(self, selected: str) -> None:
        editor = self.editor
        self._settings = {
            "SetMaskMode": editor.GetMaskMode(),
            "SetMaskSegmentID": editor.GetMaskSegmentID(),
            "SetOverwriteMode": editor.GetOverwriteMode(),
            "SetActiveEffectName": editor.GetActiveEffectName(),
        }
        editor.SetAndObserveSegmentationNode(self._loaded.segmentation)
        editor.SetAndObserveSourceVolumeNode(self._loaded.volume)
        editor.SetSelectedSegmentID(selected)
        editor.SetMaskSegmentID(MASK_SEGMENT)
        editor.SetMaskMode(slicer.vtkMRMLSegmentationNode.EditAllowedInsideSingleSegment)
        editor.SetOverwriteMode(slicer.vtkMRMLSegmentEditorNode.OverwriteVisibleSegments)
        editor.SetActiveEffectName(_EFFECT)

    def _restore_editor(self) -> None:
        # The effect first: it must not see how the mask goes.
        for name, value in reversed(list(self._settings.items())):
            getattr(self.editor, name)(value)


def _restore(segmentation: Any, identifier: str, before: _KeptSegment) -> None:
    segment = before.segment
    segment.SetLabelValue(before.label_value)
    if before.voxels is None:
        segment.RemoveRepresentation(BINARY_LABELMAP)
    else:
        segment.AddRepresentation(BINARY_LABELMAP, before.voxels)
    if before.surface is not None:
        segment.AddRepresentation(CLOSED_SURFACE, before.surface)
    if segmentation.GetSegment(identifier) is None:
        segmentation.AddSegment(segment, identifier)


def _free(editor: Any) -> None:
    """Let an editor paint everywhere again; confined to a segment that is gone, it would paint nowhere."""
    editor.SetActiveEffectName("")
    editor.SetMaskMode(slicer.vtkMRMLSegmentationNode.EditAllowedEverywhere)
    editor.SetMaskSegmentID("")
    editor.SetOverwriteMode(slicer.vtkMRMLSegmentEditorNode.OverwriteAllSegments)
