from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scans import nested_ellipsoids

from coranet.data.patches import LabeledBatch
from coranet.errors import ModelError
from coranet.methods.method import heads_loss
from coranet.metrics import outside_share
from coranet.networks import Architecture, CoraNet, HeadLogits


def test_each_head_gives_logits_for_each_class_and_voxel(a_tiny_architecture):
    logits = CoraNet(a_tiny_architecture)(torch.randn(2, 1, *a_tiny_architecture.patch_size_kji))
    assert isinstance(logits, HeadLogits)
    assert HeadLogits._fields == ("segmentation", "conservative", "radical")
    assert all(head.shape == (2, 3, 8, 12, 16) for head in logits)


def test_the_encoder_is_shared_and_the_decoders_are_not(a_tiny_architecture):
    network = CoraNet(a_tiny_architecture)
    logits = network(torch.randn(1, 1, *a_tiny_architecture.patch_size_kji))
    logits.radical.square().sum().backward()
    taught = {name for name, parameter in network.named_parameters() if parameter.grad is not None}
    assert taught == {
        name for name, _ in network.named_parameters() if name.startswith(("encoder.", "decoders.radical."))
    }
    assert not torch.equal(logits.segmentation, logits.radical)


def test_the_same_seed_builds_the_same_network(a_tiny_architecture):
    networks = []
    for _ in range(2):
        torch.manual_seed(3)
        networks.append(CoraNet(a_tiny_architecture))
    assert all(torch.equal(*pair) for pair in zip(*(one.state_dict().values() for one in networks), strict=True))


def test_an_unknown_backbone_is_an_error(a_tiny_architecture):
    with pytest.raises(ModelError, match="backbone 'unet' is unknown"):
        CoraNet(replace(a_tiny_architecture, backbone="unet"))


@pytest.fixture(scope="module")
def heads_of_a_toy_problem() -> list[np.ndarray]:
    """Classes that the three heads name after a short training: ellipsoids that noise half hides, alpha 5."""
    torch.manual_seed(0)
    architecture = Architecture("vnet", 2, 4, "instance", (8, 12, 16), ((2, 2, 2),), ((3, 3, 3), (3, 3, 3)))
    network = CoraNet(architecture)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2)
    labels = torch.from_numpy(nested_ellipsoids((8, 12, 16), (1,))).long()
    random = torch.Generator().manual_seed(1)

    def batch(size: int) -> LabeledBatch:
        targets = torch.stack([labels if number % 2 else labels.flip(0, 1, 2) for number in range(size)])
        noise = 1.2 * torch.randn(size, 1, 8, 12, 16, generator=random)
        return LabeledBatch(targets.unsqueeze(1) + noise, targets)

    for _ in range(80):
        optimizer.zero_grad()
        images, targets = batch(2)
        heads_loss(network(images), targets, alpha=5).backward()
        optimizer.step()
    with torch.no_grad():
        return [head.argmax(1).numpy() for head in network.eval()(batch(8).images)]


def test_conservative_foreground_lies_inside_of_radical_foreground(heads_of_a_toy_problem):
    _, conservative, radical = heads_of_a_toy_problem
    assert conservative.any()
    assert outside_share(conservative, radical) < 0.005
    assert outside_share(radical, conservative) > 0.1


def test_the_volumes_of_the_heads_are_a_bracket(heads_of_a_toy_problem):
    segmentation, conservative, radical = (int(head.sum()) for head in heads_of_a_toy_problem)
    assert 0 < conservative < segmentation < radical < heads_of_a_toy_problem[0].size
