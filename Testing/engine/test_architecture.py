from __future__ import annotations

import json
import math

import pytest

from coranet.errors import ModelError
from coranet.networks import Architecture
from coranet.networks.architecture import product

VOLUMES = Architecture(
    "vnet", 4, 8, "batch", (16, 48, 32), ((1, 2, 2), (2, 2, 2)), ((1, 3, 3), (3, 3, 3), (3, 3, 3)), "branches", 0.2
)  # fmt: skip
SLICES = Architecture("unet", 2, 4, "instance", (24, 1, 16), ((2, 1, 2),), ((3, 1, 3), (3, 1, 3)), slice_axis=1)


@pytest.mark.parametrize("architecture", [VOLUMES, SLICES], ids=["3D", "2D"])
def test_the_architecture_survives_json(architecture):
    assert Architecture.from_dict(json.loads(json.dumps(architecture.to_dict()))) == architecture


@pytest.mark.parametrize("change", [{"strides": None}, {"unknown": 1}, {"kernels": 5}, {"patch_size_kji": 7}])
def test_a_damaged_architecture_says_so(change):
    with pytest.raises(ModelError, match="architecture cannot be read"):
        Architecture.from_dict({**VOLUMES.to_dict(), **change})


@pytest.mark.parametrize("key", sorted(set(VOLUMES.to_dict()) - {"in_channels"}))
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
