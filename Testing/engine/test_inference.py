from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from coranet.contract.config import InferenceConfig, MachineConfig
from coranet.contract.errors import JobCancelled
from coranet.inference.network_pass import SlidingWindow
from coranet.inference.windows import WindowRule
from coranet.machine.devices import Device, choose_device
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


def window(device: Device, overlap=0.5, batch=2, before_window=lambda share: None) -> SlidingWindow:
    return SlidingWindow(WindowRule((6, 8, 10), overlap), device, 2, batch, before_window)


def a_scan(size, channels: int = 1) -> torch.Tensor:
    return torch.randn(channels, *size, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("overlap", [0.0, 0.5, 0.75])
def test_windows_together_are_the_whole_scan(a_cpu, size, overlap):
    image = a_scan(size)
    logits = window(a_cpu, overlap).logits(PointwiseHeads(), image, [PADDING])
    for factor, head in zip((1.0, 2.0, 3.0), logits, strict=True):
        torch.testing.assert_close(head, torch.cat([factor * image, -image]), atol=1e-5, rtol=1e-5)
        assert head.dtype == torch.float32


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_rows_come_in_order_and_begin_with_the_last_of_those_before(a_cpu, size):
    image = a_scan(size)
    end = 0
    for first, rows in window(a_cpu).stream(PointwiseHeads(), image, [PADDING]):
        assert first == max(end - 1, 0)
        end = first + rows.radical.shape[1]
        torch.testing.assert_close(rows.radical[0], 3 * image[0, first:end], atol=1e-5, rtol=1e-5)
    assert end == size[0]


def test_rows_that_are_final_are_not_kept(a_cpu):
    kept = {rows.segmentation.untyped_storage().nbytes() for _, rows in many_rows(a_cpu, 60)}
    assert kept == {rows.segmentation.untyped_storage().nbytes() for _, rows in many_rows(a_cpu, 600)}


def many_rows(device: Device, count: int):
    return window(device).stream(PointwiseHeads(), a_scan((count, 8, 10)), [PADDING])


@pytest.mark.parametrize("channels", [1, 2])
def test_a_scan_smaller_than_the_patch_lies_in_the_middle_of_its_padding(a_cpu, channels):
    inputs = []

    class Watching(PointwiseHeads):
        def forward(self, images: torch.Tensor) -> HeadLogits:
            inputs.append(images)
            return super().forward(images[:, :1])

    image = a_scan((4, 8, 5), channels)
    window(a_cpu).logits(Watching(), image, [PADDING, PADDING - 1][:channels])
    padded = inputs[0][0]
    assert len(inputs) == 1 and padded.shape == (channels, 6, 8, 10)
    assert torch.equal(padded[:, 1:5, :, 2:7], image)
    for number in range(channels):
        assert (padded[number] == PADDING - number).sum() == 6 * 8 * 10 - image[0].numel()


def test_a_scan_of_one_patch_gives_what_the_network_gives(a_cpu, a_tiny_architecture):
    network = CoraNet(a_tiny_architecture).eval()
    image = a_scan(a_tiny_architecture.patch_size_kji)
    logits = SlidingWindow.of(a_tiny_architecture, InferenceConfig(), a_cpu).logits(network, image, [0.0])
    with torch.no_grad():
        expected = network(image[None])
    for head, target in zip(logits, expected, strict=True):
        torch.testing.assert_close(head, target[0], atol=1e-4, rtol=1e-4)


def test_the_number_of_windows_at_once_changes_nothing(a_cpu, a_tiny_architecture):
    network = CoraNet(a_tiny_architecture).eval()
    image = a_scan((11, 20, 18))
    results = [
        SlidingWindow.of(a_tiny_architecture, InferenceConfig(window_batch=batch), a_cpu).logits(network, image, [0.0])
        for batch in (1, 3)
    ]
    for result, three in zip(*results, strict=True):
        torch.testing.assert_close(result, three, atol=1e-4, rtol=1e-4)


def test_logits_carry_no_gradient(a_cpu, a_tiny_architecture):
    logits = SlidingWindow.of(a_tiny_architecture, InferenceConfig(), a_cpu).logits(
        CoraNet(a_tiny_architecture).eval(), a_scan((8, 12, 16)), [0.0]
    )
    assert not any(head.requires_grad for head in logits)


def test_a_stop_between_windows_stops(a_cpu):
    shares = []

    def stop(share: float) -> None:
        shares.append(share)
        if share == 2 / 315:
            raise JobCancelled("stopped on request.")

    with pytest.raises(JobCancelled):
        window(a_cpu, batch=1, before_window=stop).logits(PointwiseHeads(), a_scan((30, 30, 30)), [PADDING])
    # 9 x 7 x 5 windows; on a slow machine it is asked while one is computed, too.
    assert list(dict.fromkeys(shares)) == [0, 1 / 315, 2 / 315]


@pytest.mark.parametrize("layer", [1, 2, 5, 9])
def test_a_stop_between_the_layers_of_a_network_stops_and_leaves_the_network_as_it_was(
    a_cpu, a_tiny_architecture, monkeypatch, layer
):
    monkeypatch.setattr("coranet.inference.network_pass._POLL_INTERVAL_S", 0.0)
    network, shares, image = CoraNet(a_tiny_architecture).eval(), [], a_scan((8, 12, 16))

    def stop(share: float) -> None:
        shares.append(share)
        if len(shares) > layer:
            raise JobCancelled("stopped on request.")

    windows = SlidingWindow.of(a_tiny_architecture, InferenceConfig(), a_cpu)
    expected = windows.logits(network, image, [0.0])
    with pytest.raises(JobCancelled):
        replace(windows, before_window=stop).logits(network, image, [0.0])
    assert shares == [0.0] * (layer + 1)
    assert not any(module._forward_pre_hooks for module in network.modules())
    for head, again in zip(expected, windows.logits(network, image, [0.0]), strict=True):
        torch.testing.assert_close(head, again, rtol=0, atol=0)


def slices_of(axis: int) -> Architecture:
    """A 2D network for slices of 8 x 12 voxels across an axis."""

    def around(along_axis: int, first: int, second: int) -> tuple[int, int, int]:
        size = [first, second]
        size.insert(axis, along_axis)
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
        single = image.narrow(axis + 1, number, 1)
        with torch.no_grad():
            alone = network(single[None])
        for head, expected in zip(together, alone, strict=True):
            torch.testing.assert_close(head.narrow(axis + 1, number, 1), expected[0], atol=1e-4, rtol=1e-4)


def networks_that_grow(architecture: Architecture) -> tuple[Architecture, CoraNet]:
    """With batch normalization, its statistics as if it had been trained."""
    architecture = replace(architecture, normalization="batch")
    torch.manual_seed(0)
    network = CoraNet(architecture)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm3d):
            module.running_mean.uniform_(-0.2, 0.2)
            module.running_var.uniform_(0.5, 2)
    return architecture, network.eval()


def test_batch_normalization_sees_windows_larger_than_the_patch(a_cpu, a_tiny_architecture):
    architecture, network = networks_that_grow(a_tiny_architecture)
    image = a_scan((30, 34, 40))
    sliding = SlidingWindow.of(architecture, InferenceConfig(), a_cpu)
    assert sliding.cover(image.shape[1:]).count == 1
    with torch.no_grad():
        expected = network(image[None])
    for head, target in zip(sliding.logits(network, image, [0.0]), expected, strict=True):
        torch.testing.assert_close(head, target[0], atol=1e-4, rtol=1e-4)


def test_instance_normalization_sees_windows_of_the_size_of_the_patch(a_cpu, a_tiny_architecture):
    sliding = SlidingWindow.of(a_tiny_architecture, InferenceConfig(), a_cpu)
    assert sliding.cover((30, 34, 40)).window == a_tiny_architecture.patch_size_kji


@pytest.mark.slow
def test_far_from_their_borders_windows_give_what_the_whole_scan_gives(a_cpu, a_tiny_architecture):
    architecture, network = networks_that_grow(a_tiny_architecture)
    image = a_scan((32, 48, 64))
    small = SlidingWindow.of(architecture, InferenceConfig(overlap=0.9), a_cpu)
    small = replace(small, rule=replace(small.rule, voxels=24 * 32 * 40))
    assert small.cover(image.shape[1:]).count > 1
    with torch.no_grad():
        expected = network(image[None]).segmentation[0]
    difference = (small.logits(network, image, [0.0]).segmentation - expected).abs()
    assert difference.mean() < 0.05 * expected.std()


def test_memory_for_sums_bounds_the_rows_of_a_window(a_cpu, a_tiny_architecture, monkeypatch):
    architecture, network = networks_that_grow(a_tiny_architecture)
    image = a_scan((60, 14, 20))
    sliding = SlidingWindow.of(architecture, InferenceConfig(), a_cpu)
    monkeypatch.setattr("coranet.inference.network_pass._SUM_BYTES", 1)
    assert sliding.cover(image.shape[1:]).window[0] == 8
    assert sliding.logits(network, image, [0.0]).segmentation.shape == (3, 60, 14, 20)


class LittleMemory(PointwiseHeads):
    """Has room for so many voxels at once, and keeps count of what it was given."""

    def __init__(self, voxels: int) -> None:
        super().__init__()
        self.voxels, self.given = voxels, []

    def forward(self, images: torch.Tensor) -> HeadLogits:
        self.given.append(tuple(images.shape))
        if images.numel() > self.voxels:
            raise RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB")
        return super().forward(images)


@pytest.mark.parametrize(("room", "largest"), [(4 * 480, 4 * 480), (2 * 480, 2 * 480), (480, 480)])
def test_where_memory_does_not_suffice_windows_are_computed_in_smaller_parts(a_cpu, room, largest):
    network, image = LittleMemory(room), a_scan((9, 20, 17))
    rule = WindowRule((6, 8, 10), 0.5, factors=(1, 1, 1), grows=True, voxels=8 * 480)
    torch.set_num_threads(2)  # On one, a window is never computed alone.
    try:
        logits = SlidingWindow(rule, a_cpu, 2).logits(network, image, [PADDING])
    finally:
        torch.set_num_threads(1)
    torch.testing.assert_close(logits.conservative, torch.cat([2 * image, -image]), atol=1e-5, rtol=1e-5)
    done = [size for size in network.given if torch.Size(size).numel() <= room]
    assert max(torch.Size(size).numel() for size in done) <= largest
    assert len(done) < len(network.given)


def test_where_not_even_a_patch_fits_the_error_is_raised(a_cpu):
    rule = WindowRule((6, 8, 10), 0.5, factors=(1, 1, 1), grows=True, voxels=8 * 480)
    with pytest.raises(RuntimeError, match="out of memory"):
        SlidingWindow(rule, a_cpu, 2).logits(LittleMemory(100), a_scan((9, 20, 17)), [PADDING])
