"""The voxels of the regions, and what result and heads name there; small enough to be kept in the scene."""

from __future__ import annotations

import base64
import math
import zlib
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import slicer

from coranet.boundary_slide import BoundaryMargins
from coranet.contract import Choice, PredictionFiles, Region, RegionList
from coranet.contract.errors import DataError, JobError

from ..core.images import order_on_grid_of, read_image, reordered, require_checksum, voxels_of
from ..core.results import LoadedPrediction
from ..core.stepwise import run_to_end
from .segment_layers import MaskedBox, SegmentLayers

_HEADS = ("conservative", "radical")


@dataclass(frozen=True)
class RegionVoxels:
    """The voxels of a region.

    Attributes:
        box: where they are.
        labels: by choice ("conservative", "radical", "keep"), the label values that it gives them: uint16, flat.
            "keep" has those of the result when its review began.
    """

    box: MaskedBox
    labels: Mapping[str, np.ndarray]

    @cached_property
    def content(self) -> dict[str, Any]:
        """Plain JSON types; a few hundred characters for a thousand voxels."""
        labels = {choice: packed(values.astype("<u2").tobytes()) for choice, values in self.labels.items()}
        return {**packed_box(self.box), "labels": labels}

    @staticmethod
    def from_dict(content: Mapping[str, Any]) -> RegionVoxels:
        """The inverse of `content`.

        Raises:
            JobError: it is damaged.
        """
        try:
            box = unpacked_box(content)
            labels = {
                choice: np.frombuffer(unpacked(text), "<u2").astype(np.uint16)
                for choice, text in content["labels"].items()
            }
            if {len(values) for values in labels.values()} != {int(np.count_nonzero(box.mask))}:
                raise ValueError("the numbers of its voxels do not agree")
        except (AttributeError, KeyError, TypeError, ValueError, zlib.error) as error:
            raise JobError(f"the regions in the scene cannot be read ({error}); load the result again.") from error
        return RegionVoxels(box, labels)


def packed_box(box: MaskedBox) -> dict[str, Any]:
    """Some voxels of a volume in plain JSON types."""
    mask = packed(np.packbits(box.mask).tobytes())
    return {"first_kji": list(box.first_kji), "shape": list(box.mask.shape), "mask": mask}


def unpacked_box(content: Mapping[str, Any]) -> MaskedBox:
    """The inverse of `packed_box`; raises KeyError, TypeError, ValueError or zlib.error where it is damaged."""
    first_k, first_j, first_i = (int(index) for index in content["first_kji"])
    shape = tuple(int(size) for size in content["shape"])
    bits = np.frombuffer(unpacked(content["mask"]), np.uint8)
    mask = np.unpackbits(bits, count=math.prod(shape)).reshape(shape).astype(bool)
    return MaskedBox((first_k, first_j, first_i), mask)


def read_region_voxels(
    loaded: LoadedPrediction, files: PredictionFiles, regions: RegionList
) -> Generator[None, None, dict[int, RegionVoxels]]:
    """Read where the regions are and what each choice would make of them, in steps of some milliseconds.

    The heads are read from the files: the overlays in the scene can be those of another caution.

    Args:
        loaded: the result; "keep" gets what it names now.
        files: of the case.
        regions: what is known of the regions.

    Returns:
        By number of the region.

    Raises:
        DataError: a file is missing, or does not fit the volume or the list of the regions.
    """
    region_map = yield from label_map_steps(files.region_map, loaded.volume)
    heads = {}
    for head in _HEADS:
        heads[head] = yield from label_map_steps(getattr(files, head), loaded.volume)
    result = SegmentLayers(loaded.segmentation, loaded.volume)
    by_number = {}
    for region in regions.regions:
        box = _box(region, region_map, files.region_map)
        labels = {head: box.of(voxels).astype(np.uint16) for head, voxels in heads.items()}
        labels[Choice.KEEP.value] = result.read_labels(box, loaded.labels)
        by_number[region.number] = RegionVoxels(box, labels)
        # Packed now: of all regions at once it would take too long.
        by_number[region.number].content  # noqa: B018
        yield
    return by_number


def read_margins(loaded: LoadedPrediction, files: PredictionFiles) -> Generator[None, None, BoundaryMargins]:
    """Read what slides need to know of a result, in steps of some milliseconds.

    Raises:
        DataError: a file is missing, as in results of earlier versions, or does not fit the volume.
    """
    margin = yield from label_map_steps(files.margin, loaded.volume)
    yield
    second = yield from label_map_steps(files.second, loaded.volume)
    spacing_i, spacing_j, spacing_k = loaded.volume.GetSpacing()
    return BoundaryMargins(margin, second, (spacing_i, spacing_j, spacing_k))


def read_label_map(path: Path, volume_node: Any) -> np.ndarray:
    """The voxels (k, j, i) of an image on a volume's grid, all at once.

    Raises:
        DataError: it is missing or lies on another grid.
    """
    return run_to_end(label_map_steps(path, volume_node))


def label_map_steps(path: Path, volume_node: Any) -> Generator[None, None, np.ndarray]:
    """The voxels (k, j, i) of an image on a volume's grid, in steps of milliseconds; raises as `read_label_map`."""
    require_checksum(path)
    yield
    node = read_image(path, slicer.vtkMRMLScalarVolumeNode())
    order = order_on_grid_of(volume_node, node, path)
    yield
    return voxels_of(reordered(node, order, volume_node).GetImageData())


def _box(region: Region, region_map: np.ndarray, path: Path) -> MaskedBox:
    bounds = region.bounds_ijk[::-1]
    first_k, first_j, first_i = (first for first, _last in bounds)
    inside = region_map[tuple(slice(first, last + 1) for first, last in bounds)] == region.number
    if np.count_nonzero(inside) != region.voxels:
        raise DataError(
            f"'{path}' has {np.count_nonzero(inside)} voxels of region {region.number}, the list of regions has "
            f"{region.voxels}; run 'coranet regions' on its folder again."
        )
    return MaskedBox((first_k, first_j, first_i), inside)


def packed(content: bytes) -> str:
    """Bytes as a text for a scene, small where they repeat."""
    return base64.b64encode(zlib.compress(content, 6)).decode("ascii")


def unpacked(text: str) -> bytes:
    """The inverse of `packed`; raises ValueError or zlib.error where it is damaged."""
    return zlib.decompress(base64.b64decode(text))
