from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from coranet.config import InferenceConfig, MachineConfig
from coranet.devices import Device, choose_device
from coranet.errors import JobCancelled
from coranet.inference import SlidingWindow
from coranet.networks import Architecture, CoraNet, HeadLogits

SIZES = [(9, 20, 17), (6, 8, 10), (3, 30, 5), (2, 2, 2), (13, 8, 10)]
PADDING = -7.0


@pytest.fixture
def a_cpu() -> Device:
    return choose_device(MachineConfig(device="cpu", precision="float32", threads=1))


class PointwiseHeads(nn.Module):
    """Logits that depend on the voxel alone: whatever the windows, the result is that of the whole volume."""

    def forward(self, images: torch.Tensor) -> HeadLogits:
        return HeadLogits(*(torch.cat([factor * images, -images], dim=1) for factor in (1.0, 2.0, 3.0)))


def window(device: Device, patch=(6, 8, 10), before_window=lambda: None, **settings) -> SlidingWindow:
    return SlidingWindow(patch, InferenceConfig(**settings), device, before_window)


def a_scan(size) -> torch.Tensor:
    return torch.randn(1, *size, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("overlap", [0.0, 0.5, 0.75])
def test_windows_together_are_the_whole_scan(a_cpu, size, overlap):
    image = a_scan(size)
    logits = window(a_cpu, overlap=overlap).logits(PointwiseHeads(), image, [PADDING])
    for factor, head in zip((1.0, 2.0, 3.0), logits, strict=True):
        torch.testing.assert_close(head, torch.cat([factor * image, -image]), atol=1e-4, rtol=1e-4)
        assert head.dtype == torch.float32


def test_a_scan_smaller_than_the_patch_lies_in_the_middle_of_its_padding(a_cpu):
    seen = []

    class Watching(PointwiseHeads):
        def forward(self, images: torch.Tensor) -> HeadLogits:
            seen.append(images)
            return super().forward(images)

    image = a_scan((4, 8, 5))
    window(a_cpu).logits(Watching(), image, [PADDING])
    padded = seen[0][0, 0]
    assert len(seen) == 1 and padded.shape == (6, 8, 10)
    assert torch.equal(padded[1:5, :, 2:7], image[0])
    assert (padded == PADDING).sum() == 6 * 8 * 10 - image.numel()


def test_a_scan_of_one_patch_gives_what_the_network_gives(a_cpu, a_tiny_architecture):
    network = CoraNet(a_tiny_architecture).eval()
    image = a_scan(a_tiny_architecture.patch_size_kji)
    logits = SlidingWindow.of(a_tiny_architecture, InferenceConfig(), a_cpu).logits(network, image, [0.0])
    with torch.no_grad():
        expected = network(image[None])
    for head, wanted in zip(logits, expected, strict=True):
        torch.testing.assert_close(head, wanted[0], atol=1e-4, rtol=1e-4)


def test_the_number_of_windows_at_once_changes_nothing(a_cpu, a_tiny_architecture):
    network = CoraNet(a_tiny_architecture).eval()
    image = a_scan((11, 20, 18))
    results = [
        SlidingWindow.of(a_tiny_architecture, InferenceConfig(window_batch=batch), a_cpu).logits(network, image, [0.0])
        for batch in (1, 3)
    ]
    for one, three in zip(*results, strict=True):
        torch.testing.assert_close(one, three, atol=1e-4, rtol=1e-4)


def test_logits_carry_no_gradient(a_cpu, a_tiny_architecture):
    logits = SlidingWindow.of(a_tiny_architecture, InferenceConfig(), a_cpu).logits(
        CoraNet(a_tiny_architecture).eval(), a_scan((8, 12, 16)), [0.0]
    )
    assert not any(head.requires_grad for head in logits)


def test_a_stop_between_windows_stops(a_cpu):
    asked = []

    def stop() -> None:
        asked.append(1)
        if len(asked) == 3:
            raise JobCancelled("stopped on request.")

    with pytest.raises(JobCancelled):
        window(a_cpu, before_window=stop, window_batch=1).logits(PointwiseHeads(), a_scan((30, 30, 30)), [0.0])
    assert len(asked) == 3


def slices_of(axis: int) -> Architecture:
    """A 2D network for slices of 8 x 12 voxels across an axis."""

    def around(one: int, first: int, second: int) -> tuple[int, int, int]:
        size = [first, second]
        size.insert(axis, one)
        return tuple(size)

    strides, kernels = (around(1, 2, 2),), (around(1, 3, 3),) * 2
    return Architecture("unet", 2, 4, "batch", around(1, 8, 12), strides, kernels, slice_axis=axis)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_network_of_slices_sees_each_slice_by_itself(a_cpu, axis):
    architecture = slices_of(axis)
    network = CoraNet(architecture).eval()
    image = a_scan(tuple(7 if count == 1 else count for count in architecture.patch_size_kji))
    together = SlidingWindow.of(architecture, InferenceConfig(), a_cpu).logits(network, image, [PADDING])
    for number in range(7):
        one = image.narrow(axis + 1, number, 1)
        with torch.no_grad():
            alone = network(one[None])
        for head, wanted in zip(together, alone, strict=True):
            torch.testing.assert_close(head.narrow(axis + 1, number, 1), wanted[0], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("slices", [1, 2, 7, 35, 61])
def test_slices_are_computed_once(a_cpu, slices, monkeypatch):
    monkeypatch.setattr("coranet.inference._WINDOW_VOXELS", 12 * 8 * 12)
    seen = []

    class Counting(PointwiseHeads):
        def forward(self, images: torch.Tensor) -> HeadLogits:
            seen.extend(image.shape for image in images)
            return super().forward(images)

    sliding = SlidingWindow.of(slices_of(0), InferenceConfig(overlap=0.75, window_batch=3), a_cpu)
    image = a_scan((slices, 8, 12))
    found = sliding.logits(Counting(), image, [PADDING]).radical
    torch.testing.assert_close(found[:1], 3 * image, atol=1e-4, rtol=1e-4)
    computed = sum(shape[1] for shape in seen)
    assert max(shape[1] for shape in seen) <= 12
    assert slices <= computed < slices + len(seen)


@pytest.mark.parametrize(
    ("size", "expected"),
    [((8, 12, 16), (8, 12, 16)), ((9, 13, 20), (10, 14, 20)), ((10, 30, 21), (10, 12, 16)), ((3, 4, 5), (8, 12, 16))],
)
def test_a_scan_a_little_longer_than_the_patch_is_taken_whole(a_cpu, a_tiny_architecture, size, expected):
    assert SlidingWindow.of(a_tiny_architecture, InferenceConfig(), a_cpu).window_size(size) == expected


def test_a_network_that_takes_one_size_only_gets_no_other(a_cpu, a_tiny_architecture):
    sliding = SlidingWindow.of(a_tiny_architecture, InferenceConfig(), a_cpu)
    assert replace(sliding, factors=None).window_size((9, 13, 17)) == (8, 12, 16)


def test_channels_go_through_together_each_with_its_own_padding(a_cpu):
    seen = []

    class Watching(PointwiseHeads):
        def forward(self, images: torch.Tensor) -> HeadLogits:
            seen.append(images)
            return super().forward(images[:, 1:])

    image = torch.cat([a_scan((4, 8, 5)), 2 + a_scan((4, 8, 5))])
    logits = window(a_cpu).logits(Watching(), image, [PADDING, 3.0])
    assert seen[0].shape == (1, 2, 6, 8, 10)
    assert (seen[0][0, 0, 0] == PADDING).all() and (seen[0][0, 1, 0] == 3.0).all()
    torch.testing.assert_close(logits.segmentation[0], image[1], atol=1e-4, rtol=1e-4)
