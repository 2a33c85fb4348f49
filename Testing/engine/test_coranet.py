from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scans import nested_ellipsoids

from coranet.contract.errors import ModelError
from coranet.data.patches import LabeledBatch
from coranet.methods.method import heads_loss
from coranet.metrics import outside_share
from coranet.networks import Architecture, CoraNet, FeatureDropout, HeadLogits


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
    assert all(
        torch.equal(*pair) for pair in zip(*(network.state_dict().values() for network in networks), strict=True)
    )


def test_an_unknown_backbone_is_an_error(a_tiny_architecture):
    with pytest.raises(ModelError, match="backbone 'swin' is unknown"):
        CoraNet(replace(a_tiny_architecture, backbone="swin"))


DECODERS = ("classifiers", "branches", "three")
FORMS = [(backbone, decoders) for backbone in ("unet", "vnet", "resnet18") for decoders in DECODERS]


def a_form(architecture: Architecture, backbone: str, decoders: str) -> Architecture:
    """The architecture with another backbone; the U-Net looks at slices across the middle axis."""
    changed = replace(architecture, backbone=backbone, decoders=decoders)
    if backbone != "unet":
        return changed
    return replace(changed, strides=((2, 1, 2),), kernels=((3, 1, 3), (3, 1, 3)), slice_axis=1)


@pytest.mark.parametrize(("backbone", "decoders"), FORMS)
def test_every_form_gives_three_different_heads(a_tiny_architecture, backbone, decoders):
    network = CoraNet(a_form(a_tiny_architecture, backbone, decoders))
    logits = network(torch.randn(2, 1, 8, 12, 16))
    assert all(head.shape == (2, 3, 8, 12, 16) for head in logits)
    assert not torch.equal(logits.conservative, logits.radical)


@pytest.mark.parametrize(("backbone", "decoders"), FORMS)
def test_a_head_teaches_what_is_shared_and_itself(a_tiny_architecture, backbone, decoders):
    network = CoraNet(a_form(a_tiny_architecture, backbone, decoders))
    network(torch.randn(2, 1, 8, 12, 16)).conservative.square().sum().backward()
    taught = {name for name, parameter in network.named_parameters() if parameter.grad is not None}
    own = ("encoder.", "decoder.", "decoders.conservative.")
    assert taught == {name for name, _ in network.named_parameters() if name.startswith(own)}
    assert any(name.startswith("decoder.") for name in taught) == (decoders != "three")


@pytest.mark.parametrize("backbone", ["unet", "vnet", "resnet18"])
def test_classifiers_are_fewer_weights_than_branches_and_these_than_three_decoders(a_tiny_architecture, backbone):
    counts = [
        sum(parameter.numel() for parameter in CoraNet(a_form(a_tiny_architecture, backbone, decoders)).parameters())
        for decoders in DECODERS
    ]
    assert counts[0] < counts[1] < counts[2]


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_slices_know_nothing_of_each_other_and_lie_where_they_were(a_tiny_architecture, axis):
    flat = [tuple(1 if here == axis else count for here in range(3)) for count in (2, 3, 3)]
    sliced = replace(
        a_tiny_architecture, backbone="unet", normalization="batch", strides=(flat[0],), kernels=tuple(flat[1:]),
        slice_axis=axis,
    )  # fmt: skip
    network = CoraNet(sliced).eval()
    image = torch.randn(2, 1, 8, 12, 16)
    changed = image.clone()
    changed.select(2 + axis, 5).add_(1)
    with torch.no_grad():
        difference = (network(changed).radical - network(image).radical).abs()
    touched = difference.movedim(2 + axis, 0).flatten(1).amax(1) > 0
    assert touched.nonzero().flatten().tolist() == [5]


def test_dropout_changes_what_is_said_in_training_and_can_be_switched_on_alone(a_tiny_architecture):
    torch.manual_seed(0)
    network = CoraNet(replace(a_tiny_architecture, dropout=0.5)).eval()
    image = torch.randn(1, 1, 8, 12, 16)
    with torch.no_grad():
        assert torch.equal(network(image).radical, network(image).radical)
        for module in network.modules():
            if isinstance(module, FeatureDropout):
                module.train()
        assert not torch.equal(network(image).radical, network(image).radical)
    assert sum(isinstance(module, FeatureDropout) for module in network.modules()) == 4


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
        images, targets, _ = batch(2)
        heads_loss(network(images), targets, alpha=5).backward()
        optimizer.step()
    with torch.no_grad():
        return [head.argmax(1).numpy() for head in network.eval()(batch(8).images)]


@pytest.mark.slow
def test_conservative_foreground_lies_inside_of_radical_foreground(heads_of_a_toy_problem):
    _, conservative, radical = heads_of_a_toy_problem
    assert conservative.any()
    assert outside_share(conservative, radical) < 0.005
    assert outside_share(radical, conservative) > 0.1


@pytest.mark.slow
def test_the_volumes_of_the_heads_are_bounds(heads_of_a_toy_problem):
    segmentation, conservative, radical = (int(head.sum()) for head in heads_of_a_toy_problem)
    assert 0 < conservative < segmentation < radical < heads_of_a_toy_problem[0].size


@pytest.mark.parametrize(("backbone", "decoders"), FORMS)
def test_every_form_sees_each_of_several_images(a_tiny_architecture, backbone, decoders):
    torch.manual_seed(2)
    network = CoraNet(replace(a_form(a_tiny_architecture, backbone, decoders), in_channels=3)).eval()
    images = torch.randn(1, 3, *a_tiny_architecture.patch_size_kji)
    plain = network(images).segmentation
    for channel in range(3):
        changed = images.clone()
        changed[:, channel] += torch.linspace(0, 3, images.shape[-1])
        assert not torch.allclose(network(changed).segmentation, plain, atol=1e-4), channel
    # Their order matters: it is part of what the model is.
    assert not torch.allclose(network(images.flip(1)).segmentation, plain, atol=1e-4)


@pytest.mark.parametrize(("backbone", "decoders"), FORMS)
def test_a_folded_stem_gives_logits_of_every_voxel(a_tiny_architecture, backbone, decoders):
    architecture = replace(a_form(a_tiny_architecture, backbone, decoders), stem="folded")
    network = CoraNet(architecture)
    image = torch.randn(2, 1, *architecture.patch_size_kji)
    logits = network(image)
    assert all(head.shape == (2, 3, 8, 12, 16) for head in logits)
    # Voxels of one block have logits of their own.
    first, second = (logits.segmentation[..., start::2] for start in (0, 1))
    assert not torch.allclose(first, second)
    logits.segmentation[0, 1, 5, 6, 7].backward()
    assert next(network.encoder.parameters()).grad.any()
