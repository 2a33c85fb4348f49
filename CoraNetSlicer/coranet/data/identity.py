"""Which scan a volume is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..contract import ScanIdentity
from ..contract.scan_identity import voxel_hash
from ..volume import Volume


def identity_of(volume: Volume) -> ScanIdentity:
    """What a scan of one image is known by."""
    grid = volume.grid
    return ScanIdentity(voxel_hash(volume.channels[0], grid.direction), grid.size_ijk, grid.spacing_mm)


def identity_of_channels(channels: Sequence[Volume]) -> ScanIdentity:
    """What a case is known by: all its images, as their files have them, the first of which has its grid."""
    first, *others = channels
    more = tuple(voxel_hash(other.voxels, other.grid.direction) for other in others)
    return replace(identity_of(first), more_voxels=more)
