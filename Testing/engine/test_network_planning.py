from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
import torch

from coranet.contract.config import DataConfig, NetworkConfig
from coranet.contract.errors import ConfigError
from coranet.networks import Architecture, CoraNet, backbone_reason, plan_architecture

MM = (1.0, 1.0, 1.0)


def plan(size=(96, 96, 96), spacing=MM, levels=4, backbone="vnet", most_voxels=None, **data) -> Architecture:
    network = NetworkConfig(backbone=backbone, levels=levels)
    return plan_architecture(network, DataConfig(**data), size, spacing, 2, most_voxels)


def downsampling(architecture: Architecture) -> list[int]:
    return [math.prod(stride[axis] for stride in architecture.strides) for axis in range(3)]


def random_scans(count: int = 300):
    """Size, spacing, levels and largest patch of scans of all kinds."""
    random = np.random.default_rng(0)
    for _ in range(count):
        size = tuple(np.exp(random.uniform(np.log(3), np.log(400), 3)).tolist())
        spacing = tuple(np.exp(random.uniform(np.log(0.4), np.log(6), 3)).tolist())
        yield size, spacing, int(random.integers(2, 7)), int(np.exp(random.uniform(np.log(4096), np.log(900_000))))


@cache
def random_plans() -> list[tuple[Architecture, tuple]]:
    return [
        (plan(size, spacing, levels=levels, patch_voxels=voxels), (size, spacing, levels, voxels))
        for size, spacing, levels, voxels in random_scans()
    ]


def test_the_papers_patch_on_an_even_scan():
    paper = plan(patch_size_kji=(96, 96, 96), levels=5)
    assert paper.patch_size_kji == (96, 96, 96)
    assert paper.strides == ((2, 2, 2),) * 4
    assert paper.kernels == ((3, 3, 3),) * 5


@pytest.mark.parametrize(("backbone", "patch"), [("vnet", (1, 1, 1)), ("unet", (5, 1, 1))])
def test_a_patch_of_one_voxel_is_refused(backbone, patch):
    with pytest.raises(ConfigError, match="nothing to normalize over.* raise data.patch_size_kji"):
        plan(backbone=backbone, patch_size_kji=patch)


def test_a_scan_that_fits_is_covered_by_one_patch():
    architecture = plan(size=(36.0, 50.0, 35.0), patch_voxels=110_592)
    assert all(abs(patch - size) <= 4 for patch, size in zip(architecture.patch_size_kji, (36, 50, 35), strict=True))


def test_thin_axes_are_kept_whole_and_long_ones_are_cut():
    depth, height, width = plan(size=(12, 200, 300), patch_voxels=65_536).patch_size_kji
    assert depth == 12
    assert height == width < 100


def test_thick_slices_are_neither_halved_nor_convolved_before_the_others_have_caught_up():
    architecture = plan(size=(16, 128, 128), spacing=(6.0, 1.0, 1.0), patch_voxels=300_000)
    assert architecture.strides[0] == (1, 2, 2)
    assert architecture.kernels[0] == (1, 3, 3)
    assert architecture.kernels[2] == (3, 3, 3)  # 6 mm beside 4 mm


def test_every_plan_can_be_built():
    for architecture, scan in random_plans():
        pairs = zip(architecture.patch_size_kji, downsampling(architecture), strict=True)
        assert all(count >= 1 and count % factor == 0 for count, factor in pairs), scan
        assert len(architecture.kernels) == len(architecture.strides) + 1 <= scan[2], scan


def test_no_axis_is_shrunk_to_less_than_three_voxels():
    for architecture, scan in random_plans():
        pairs = zip(architecture.patch_size_kji, downsampling(architecture), strict=True)
        assert all(factor == 1 or count // factor >= 3 for count, factor in pairs), scan


def test_an_automatic_patch_has_at_most_the_voxels_that_are_allowed():
    for architecture, scan in random_plans():
        assert math.prod(architecture.patch_size_kji) <= scan[3], scan


@pytest.mark.parametrize("patch", [(4, 4, 4), (17, 20, 33), (40, 64, 24), (5, 96, 96)], ids=str)
def test_a_patch_that_the_user_fixes_is_taken_as_it_is(patch):
    architecture = plan(size=(300, 300, 300), patch_size_kji=patch)
    assert architecture.patch_size_kji == patch
    assert all(count % factor == 0 for count, factor in zip(patch, downsampling(architecture), strict=True))


def test_without_a_setting_the_largest_patch_is_that_of_the_paper():
    assert plan(size=(300, 300, 300)).patch_size_kji == (96, 96, 96)


def test_memory_limits_an_automatic_patch_and_not_one_that_the_user_fixes():
    assert math.prod(plan(size=(90, 90, 90), most_voxels=50_000).patch_size_kji) <= 50_000
    assert math.prod(plan(size=(90, 90, 90), patch_voxels=20_000, most_voxels=50_000).patch_size_kji) <= 20_000
    assert plan(patch_size_kji=(64, 64, 64), most_voxels=50_000).patch_size_kji == (64, 64, 64)


@pytest.mark.parametrize(
    ("size", "spacing", "backbone", "axis"),
    [
        ((9, 64, 64), (10.0, 2.5, 2.5), "unet", 0),
        ((220, 10, 200), (1.4, 8.0, 1.4), "unet", 1),
        ((200, 190, 32), (1.0, 1.0, 3.0), "unet", 2),
        ((33, 190, 200), (3.0, 1.0, 1.0), "vnet", None),
        ((12, 64, 64), (2.9, 1.0, 1.0), "vnet", None),
        ((36, 50, 35), (1.0, 1.0, 1.0), "vnet", None),
    ],
)
def test_thin_stacks_of_thick_slices_get_a_network_of_slices(size, spacing, backbone, axis):
    architecture = plan(size, spacing, backbone="auto")
    assert (architecture.backbone, architecture.slice_axis) == (backbone, axis)


@pytest.mark.parametrize(("spacing", "axis"), [(MM, 0), ((1.0, 1.001, 1.0), 0), ((1.0, 1.5, 1.2), 1)])
def test_a_network_of_slices_that_is_asked_for_takes_the_coarsest_axis_or_the_long_one(spacing, axis):
    assert plan(spacing=spacing, backbone="unet").slice_axis == axis


@pytest.mark.parametrize(("axis", "size"), [(0, (9, 130, 62)), (1, (130, 9, 62)), (2, (130, 62, 9))])
def test_the_patch_of_a_network_of_slices_is_one_slice_as_large_as_the_scan(axis, size):
    spacing = tuple(10.0 if here == axis else 1.0 for here in range(3))
    architecture = plan(size, spacing, backbone="auto")
    assert architecture.slice_axis == axis
    assert sorted(architecture.patch_size_kji) == [1, 64, 128]
    assert architecture.patch_size_kji[axis] == 1
    assert all(stride[axis] == 1 for stride in architecture.strides) and architecture.factors[axis] == 1
    assert all(kernel[axis] == 1 for kernel in architecture.kernels)
    assert all(sorted(stride) == [1, 2, 2] for stride in architecture.strides)


def test_a_patch_of_slices_that_the_user_fixes_is_taken_within_the_slice():
    fixed = plan((9, 250, 250), (10.0, 1.5, 1.5), backbone="unet", patch_size_kji=(9, 192, 240))
    assert fixed.patch_size_kji == (1, 192, 240)


def test_slices_have_at_most_the_voxels_that_are_allowed():
    patch = plan((9, 512, 512), (10.0, 0.5, 0.5), backbone="unet", patch_voxels=20_000).patch_size_kji
    assert patch[0] == 1 and 15_000 <= math.prod(patch) <= 20_000


@pytest.mark.parametrize("backbone", ["unet", "vnet", "resnet18"])
@pytest.mark.parametrize("decoders", ["three", "branches", "classifiers"])
def test_what_is_asked_for_is_planned_and_can_be_built(backbone, decoders):
    network = NetworkConfig(backbone=backbone, decoders=decoders, dropout=0.25, base_filters=2, levels=3)
    architecture = plan_architecture(network, DataConfig(), (9, 21, 30), (4.0, 1.0, 1.0), 3)
    assert (architecture.backbone, architecture.decoders, architecture.dropout) == (backbone, decoders, 0.25)
    logits = CoraNet(architecture)(torch.randn(2, 1, *architecture.patch_size_kji))
    assert logits.radical.shape == (2, 3, *architecture.patch_size_kji)


@pytest.mark.parametrize(
    ("backbone", "size", "spacing", "text"),
    [
        ("auto", (9, 64, 64), (10.0, 2.5, 2.5), "2D U-Net: slices are 10 mm apart, 4 times the 2.5 mm within them, "
         "and there are 9 of them"),
        ("auto", (80, 64, 64), (10.0, 2.5, 2.5), "3D V-Net: slices are 10 mm apart, 4 times the 2.5 mm within them, "
         "and there are 80 of them"),
        ("auto", (9, 64, 64), (2.0, 1.0, 1.0), "3D V-Net: slices are 2 mm apart, 2 times the 1 mm within them"),
        ("auto", (9, 64, 64), (1.6, 1.6, 1.6), "3D V-Net: the spacing is 1.6 mm along each axis"),
        ("resnet18", (9, 64, 64), (10.0, 2.5, 2.5), "3D ResNet-18: as requested"),
    ],
)  # fmt: skip
def test_the_reason_is_given_in_words(backbone, size, spacing, text):
    assert backbone_reason(NetworkConfig(backbone=backbone), size, spacing) == text
