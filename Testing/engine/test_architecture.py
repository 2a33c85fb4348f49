from __future__ import annotations

import json
import math

import numpy as np
import pytest

from coranet.config import DataConfig, NetworkConfig
from coranet.errors import ModelError
from coranet.networks import Architecture, plan_architecture


def plan(size=(96, 96, 96), spacing=(1.0, 1.0, 1.0), classes=2, levels=4, **data) -> Architecture:
    return plan_architecture(NetworkConfig(levels=levels), DataConfig(**data), size, spacing, classes)


def downsampling(architecture: Architecture) -> list[int]:
    return [math.prod(stride[axis] for stride in architecture.strides) for axis in range(3)]


def random_scans(count: int = 300):
    """Size, spacing, levels and largest patch of scans of all kinds."""
    random = np.random.default_rng(0)
    for _ in range(count):
        size = tuple(np.exp(random.uniform(np.log(3), np.log(400), 3)).tolist())
        spacing = tuple(np.exp(random.uniform(np.log(0.4), np.log(6), 3)).tolist())
        yield size, spacing, int(random.integers(2, 7)), int(np.exp(random.uniform(np.log(4096), np.log(900_000))))


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


def test_the_architecture_survives_json():
    architecture = plan(size=(16, 128, 128), spacing=(6.0, 1.0, 1.0), classes=4)
    assert architecture.classes == 4
    assert Architecture.from_dict(json.loads(json.dumps(architecture.to_dict()))) == architecture


@pytest.mark.parametrize("change", [{"strides": None}, {"unknown": 1}, {"kernels": 5}])
def test_a_damaged_architecture_says_so(change):
    content = {**plan().to_dict(), **change}
    with pytest.raises(ModelError, match="architecture cannot be read"):
        Architecture.from_dict(content)
    content.pop("classes")
    with pytest.raises(ModelError, match="architecture cannot be read"):
        Architecture.from_dict(content)
