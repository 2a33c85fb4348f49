from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from coranet.contract.errors import ModelError
from coranet.networks import Architecture
from coranet.networks.architecture import product

VOLUMES = Architecture(
    "vnet", 4, 8, "batch", (16, 48, 32), ((1, 2, 2), (2, 2, 2)), ((1, 3, 3), (3, 3, 3), (3, 3, 3)), "branches", 0.2
)  # fmt: skip
SLICES = Architecture("unet", 2, 4, "instance", (24, 1, 16), ((2, 1, 2),), ((3, 1, 3), (3, 1, 3)), slice_axis=1)


@pytest.mark.parametrize("architecture", [VOLUMES, SLICES], ids=["3D", "2D"])
def test_the_architecture_survives_json(architecture):
    assert Architecture.from_dict(json.loads(json.dumps(architecture.to_dict()))) == architecture


@pytest.mark.parametrize(
    "change",
    [{"strides": None}, {"unknown": 1}, {"kernels": 5}, {"patch_size_kji": 7}, {"patch_size_kji": [15, 48, 32]}],
)
def test_a_damaged_architecture_says_so(change):
    with pytest.raises(ModelError, match="architecture cannot be read"):
        Architecture.from_dict({**VOLUMES.to_dict(), **change})


@pytest.mark.parametrize("key", sorted(set(VOLUMES.to_dict()) - {"in_channels", "stem"}))
def test_an_architecture_that_lacks_a_key_says_so(key):
    content = VOLUMES.to_dict()
    content.pop(key)
    with pytest.raises(ModelError, match=f"cannot be read .*{key}"):
        Architecture.from_dict(content)


def test_factors_are_the_strides_multiplied():
    assert VOLUMES.factors == (2, 4, 4)
    assert SLICES.factors == (2, 1, 2)


def test_the_product_of_nothing_is_one():
    assert product([]) == 1
    assert product([2, 3, 7]) == math.prod([2, 3, 7])


def test_models_of_before_there_were_channels_see_one_image():
    content = VOLUMES.to_dict()
    del content["in_channels"]
    assert Architecture.from_dict(content) == VOLUMES
    assert VOLUMES.in_channels == 1


def test_models_of_before_stems_were_folded_have_a_full_one():
    content = VOLUMES.to_dict()
    content.pop("stem")
    assert Architecture.from_dict(content) == VOLUMES
    assert VOLUMES.behind_stem is VOLUMES
    assert VOLUMES.block == (1, 1, 1)


def test_a_folded_stem_takes_the_place_of_the_first_level():
    folded = replace(VOLUMES, stem="folded", in_channels=3)
    inner = folded.behind_stem
    assert folded.block == (1, 2, 2)
    assert (inner.in_channels, inner.classes, inner.base_filters) == (12, 16, 16)
    assert (inner.strides, inner.kernels) == (VOLUMES.strides[1:], VOLUMES.kernels[1:])
    # What a scan must be a multiple of is said by the whole network.
    assert folded.factors == VOLUMES.factors
    assert inner.behind_stem is inner
