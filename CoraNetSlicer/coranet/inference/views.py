"""How often a network looks at a scan: as it is, rotated within a plane, and mirrored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import nn

from ..data.spatial import ARRAY_AXIS
from ..networks import Architecture, MirrorMean, RotationMean

# Further than this, views of a network that learned from rotations by 90 degrees get worse.
_MOST_DEGREES = 30.0
# A 3D network on more voxels than these takes minutes on a processor as it is.
_MOST_VOXELS = 4_000_000


@dataclass(frozen=True)
class Views:
    """The views of which a result is the mean.

    Attributes:
        rotation_axis: 0, 1 or 2 of (D, H, W), about which the scan is rotated.
        degrees: by how much, either way; 0: not at all.
        most_voxels: a scan, or a box of it, with more voxels on the network's grid is not rotated; None: no limit.
        spacing_dhw: of the network's voxels, mm.
        mirrored_axes: 0, 1 or 2 of (D, H, W), along which it is mirrored, in all combinations.
    """

    rotation_axis: int = 0
    degrees: float = 0.0
    most_voxels: int | None = None
    spacing_dhw: tuple[float, float, float] = (1.0, 1.0, 1.0)
    mirrored_axes: tuple[int, ...] = ()

    @staticmethod
    def rotated(
        setting: str, architecture: Architecture, spacing_dhw: tuple[float, float, float], learned: Mapping[str, float]
    ) -> Views:
        """The rotated views that a network can make use of.

        Args:
            setting: `inference.rotated_views`.
            architecture: of the network.
            spacing_dhw: of its voxels, mm.
            learned: by canonical axis ("S") the degrees by which patches of its training were rotated about it.
        """
        axis = architecture.slice_axis or 0
        by_axis = {ARRAY_AXIS[name]: degrees for name, degrees in learned.items()}
        degrees = 0.0 if setting == "off" else min(_MOST_DEGREES, by_axis.get(axis, 0.0))
        # Networks of slices are quick.
        most = _MOST_VOXELS if setting == "auto" and architecture.slice_axis is None else None
        return Views(axis, degrees, most, spacing_dhw)

    def of(self, network: nn.Module, voxels: int) -> nn.Module:
        """The network that gives the mean of the logits of all views.

        Args:
            network: gives `HeadLogits`.
            voxels: on its grid, of what it is about to look at.
        """
        if self.degrees > 0 and (self.most_voxels is None or voxels <= self.most_voxels):
            rows, columns = (self.spacing_dhw[axis] for axis in range(3) if axis != self.rotation_axis)
            network = RotationMean(network, self.rotation_axis, self.degrees, (rows, columns))
        return MirrorMean(network, self.mirrored_axes) if self.mirrored_axes else network
