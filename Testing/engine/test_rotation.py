"""Mean over rotated views of slices."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from coranet.inference.views import Views
from coranet.networks import HeadLogits, RotationMean


class Brightness(nn.Module):
    """Logits are the image itself, scaled for each head, whatever the view: what comes back is where it was."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[torch.Tensor] = []

    def forward(self, images: torch.Tensor) -> HeadLogits:
        self.seen.append(images)
        both = torch.cat([images, -images], 1)
        return HeadLogits(both, 2 * both, 3 * both)


def a_smooth_scan(size: tuple[int, int, int]) -> torch.Tensor:
    """(2, 1, *size): a wave along each axis, long against a voxel."""
    axes = [torch.linspace(0, 3, count) for count in size]
    first, second, third = torch.meshgrid(*axes, indexing="ij")
    scan = torch.sin(first + 0.3) + torch.cos(second) + torch.sin(1.1 * third)
    return torch.stack([scan, 0.5 * scan])[:, None]


@pytest.mark.parametrize(("axis", "size"), [(0, (3, 40, 52)), (1, (40, 2, 48)), (2, (44, 40, 1))])
def test_views_come_back_to_their_place(axis, size):
    scan = a_smooth_scan(size)
    logits = RotationMean(Brightness(), axis, 30.0)(scan)
    assert logits.segmentation.shape == (2, 2, *size)
    for head, factor in zip(logits, (1, 2, 3), strict=True):
        assert torch.allclose(head[:, :1], factor * scan, atol=0.05 * factor)
        assert torch.allclose(head[:, 1:], -factor * scan, atol=0.05 * factor)


def test_a_quarter_turn_is_exact_and_turns_rows_into_columns():
    network = Brightness()
    scan = torch.rand(1, 1, 2, 8, 8, generator=torch.Generator().manual_seed(0))
    logits = RotationMean(network, 0, 90.0)(scan)
    plain, first, second = network.seen
    assert torch.equal(plain, scan)
    for view, turns in ((first, 1), (second, 3)):
        assert torch.allclose(view, torch.rot90(scan, turns, (3, 4)), atol=1e-5)
    assert torch.allclose(logits.segmentation[:, :1], scan, atol=1e-5)


def test_what_leaves_the_slice_in_a_view_does_not_count_there():
    class Marking(Brightness):
        """Answers 1 in the first view, 5 in the rotated ones."""

        def forward(self, images):
            super().forward(images)
            value = torch.full_like(images, 1.0 if len(self.seen) == 1 else 5.0)
            return HeadLogits(value, value, value)

    logits = RotationMean(Marking(), 0, 45.0)(torch.zeros(1, 1, 1, 41, 41))
    mean = logits.segmentation[0, 0, 0]
    # The middle is in all views, a corner in the first alone.
    assert mean[20, 20] == pytest.approx((1 + 5 + 5) / 3)
    assert mean[0, 0] == mean[0, 40] == mean[40, 0] == pytest.approx(1)


def test_angles_are_angles_in_millimetres():
    """A bar along the rows, in voxels four times as long as wide, has the same length in mm when rotated upright."""
    network = Brightness()
    scan = torch.zeros(1, 1, 1, 20, 80)
    scan[..., 10:11, 20:60] = 1  # 40 columns of 1 mm
    RotationMean(network, 0, 90.0, (4.0, 1.0))(scan)
    upright = network.seen[1][0, 0, 0]
    rows = (upright.max(1).values > 0.3).sum()
    assert rows == pytest.approx(10, abs=1)  # 10 rows of 4 mm


@pytest.mark.parametrize(
    ("views", "voxels", "is_rotated"),
    [
        (Views(degrees=20.0), 10**9, True),
        (Views(degrees=20.0, most_voxels=1000), 1000, True),
        (Views(degrees=20.0, most_voxels=1000), 1001, False),
        (Views(), 1, False),
    ],
)
def test_large_scans_of_3d_networks_are_not_rotated(views, voxels, is_rotated):
    network = Brightness()
    assert (views.of(network, voxels) is not network) == is_rotated
    replace(views, mirrored_axes=(1,)).of(network, voxels)(a_smooth_scan((2, 16, 16)))
    assert len(network.seen) == (6 if is_rotated else 2)
