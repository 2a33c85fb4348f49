"""Which scan a volume is."""

from __future__ import annotations

from ..contract import ScanIdentity
from ..contract.scan_identity import voxel_hash
from ..volume import Volume


def identity_of(volume: Volume) -> ScanIdentity:
    """What a scan is known by; of several channels, the first, on whose grid its results lie."""
    grid = volume.grid
    return ScanIdentity(voxel_hash(volume.channels[0], grid.direction), grid.size_ijk, grid.spacing_mm)
