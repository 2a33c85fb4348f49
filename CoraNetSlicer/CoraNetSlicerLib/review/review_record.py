"""What the scene keeps of a review, so that it can be gone on with where the files of the case are not: see docs.

A hidden text node has the regions and their voxels; the decisions are an attribute of it, because they change often.
A table node shows both to people; it is written, never read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Optional

import slicer

from coranet.contract import RegionList, Review
from coranet.contract.errors import JobError

from ..core.context import SceneContext
from ..core.results import PART_ATTRIBUTE, PREDICTION_ATTRIBUTE, REVIEWED_ATTRIBUTE, LoadedPrediction
from ..core.translation import _
from .class_volumes import ClassVolume
from .region_voxels import RegionVoxels
from .region_worklist import fill_worklist

WORKLIST_REFERENCE = "CoraNetSlicer.Worklist"
RECORD_REFERENCE = "CoraNetSlicer.Review"
DECISIONS_ATTRIBUTE = "CoraNetSlicer.Decisions"
STEPS_ATTRIBUTE = "CoraNetSlicer.Steps"


@dataclass(frozen=True)
class KeptReview:
    """A review as the scene keeps it.

    Attributes:
        regions: of the case.
        review: the decisions.
        voxels: by number of the region; empty while they are not read.
        volumes: of the classes, by label value, before the first decision; empty while they are not counted.
    """

    regions: RegionList
    review: Review
    voxels: Mapping[int, RegionVoxels] = field(default_factory=dict)
    volumes: Mapping[int, ClassVolume] = field(default_factory=dict)

    @staticmethod
    def of(regions: RegionList) -> KeptReview:
        """A review of regions of which nothing else is known yet."""
        return KeptReview(regions, Review.of(regions))


class ReviewRecord:
    """Reads and writes what the scene keeps of the review of one result."""

    def __init__(self, context: SceneContext, loaded: LoadedPrediction) -> None:
        """Take the result; nothing is made before something is written."""
        self._context = context
        self._loaded = loaded

    @property
    def worklist(self) -> Any:
        """VtkMRMLTableNode with a row for each region; None before the first `write`."""
        return self._loaded.segmentation.GetNodeReference(WORKLIST_REFERENCE)

    @property
    def is_current(self) -> bool:
        """Whether the voxels of the result are those of the review: not so once it was loaded anew."""
        return bool(self._loaded.segmentation.GetAttribute(REVIEWED_ATTRIBUTE)) and self._node is not None

    def read(self) -> Optional[KeptReview]:
        """The review that belongs to the voxels of the result; None if there is none.

        Raises:
            JobError: it is damaged.
        """
        if not self.is_current:
            return None
        try:
            content = json.loads(self._node.GetText())
            regions = RegionList.from_dict(content["regions"], "the scene")
            decisions = json.loads(self._node.GetAttribute(DECISIONS_ATTRIBUTE))
            voxels = {int(number): RegionVoxels.from_dict(one) for number, one in content["voxels"].items()}
            volumes = {int(value): ClassVolume(**one) for value, one in content["volumes"].items()}
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise JobError(f"the review in the scene cannot be read ({error}); load the result anew.") from error
        return KeptReview(regions, Review.from_dict(decisions, regions, "the scene"), voxels, volumes)

    def write(self, kept: KeptReview) -> None:
        """Keep regions, voxels and decisions."""
        voxels = {str(number): one.to_dict() for number, one in kept.voxels.items()}
        volumes = {str(value): asdict(one) for value, one in kept.volumes.items()}
        content = {"regions": kept.regions.to_dict(), "voxels": voxels, "volumes": volumes}
        node = self._node or self._make("vtkMRMLTextNode", "review", RECORD_REFERENCE, _("CoraNet review"))
        # In the scene's own file: no file of its own that can be forgotten.
        node.SetForceCreateStorageNode(slicer.vtkMRMLTextNode.CreateStorageNodeNever)
        node.SetText(json.dumps(content))
        self._loaded.segmentation.SetAttribute(REVIEWED_ATTRIBUTE, repr(kept.regions.created))
        self.write_review(kept)

    def write_review(self, kept: KeptReview) -> None:
        """Keep decisions; what a person has deleted is made anew."""
        if self._node is None:
            self.write(kept)
            return
        self._node.SetAttribute(DECISIONS_ATTRIBUTE, json.dumps(kept.review.to_dict()))
        table = self.worklist or self._make("vtkMRMLTableNode", "worklist", WORKLIST_REFERENCE, _("CoraNet regions"))
        fill_worklist(table, kept.review, kept.regions, self._loaded.labels)

    def read_steps(self) -> str:
        """The steps that can be taken back or done again, as ReviewHistory gives them; "" if there are none."""
        return str(self._node.GetAttribute(STEPS_ATTRIBUTE) or "") if self.is_current else ""

    def write_steps(self, text: str) -> None:
        """Keep the steps that can be taken back or done again; "": there are none."""
        if self._node is not None:
            self._node.SetAttribute(STEPS_ATTRIBUTE, text or None)

    @property
    def _node(self) -> Any:
        return self._loaded.segmentation.GetNodeReference(RECORD_REFERENCE)

    def _make(self, node_class: str, part: str, reference: str, suffix: str) -> Any:
        segmentation = self._loaded.segmentation
        name = self._context.scene.GenerateUniqueName(f"{self._loaded.volume.GetName()} {suffix}")
        node = self._context.scene.CreateNodeByClass(node_class)
        node.UnRegister(None)
        node.SetName(name)
        node.SetHideFromEditors(node_class == "vtkMRMLTextNode")
        node = self._context.scene.AddNode(node)
        node.SetAttribute(PART_ATTRIBUTE, part)
        node.SetAttribute(PREDICTION_ATTRIBUTE, segmentation.GetAttribute(PREDICTION_ATTRIBUTE))
        segmentation.SetNodeReferenceID(reference, node.GetID())
        if not node.GetHideFromEditors():
            self._place_under_volume(node)
        return node

    def _place_under_volume(self, node: Any) -> None:
        hierarchy = self._context.subject_hierarchy
        volume_item = hierarchy.GetItemByDataNode(self._loaded.volume)
        if volume_item:
            hierarchy.SetItemParent(hierarchy.CreateItem(volume_item, node), volume_item)
