from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from coranet.inference.network_pass import SlidingWindow
from coranet.inference.windows import WindowRule
from coranet.networks import CoraNet, FeatureDropout, HeadLogits
from coranet_experiments import uncertainty_sources
from coranet_experiments.uncertainty_sources import ScanPasses, least_confidence, predictive_entropy

SIZE = (7, 20, 26)
SPACING_DHW = (3.0, 1.5, 1.0)


class Brightness(nn.Module):
    """Foreground where it is bright."""

    def forward(self, images: torch.Tensor) -> HeadLogits:
        logits = torch.cat([-images, images], dim=1)
        return HeadLogits(logits, logits, logits)


def a_blob() -> torch.Tensor:
    """A smooth bright ellipsoid, round in millimetres within slices, in the middle."""
    position = np.indices(SIZE) - (np.array(SIZE).reshape(3, 1, 1, 1) - 1) / 2
    distance = np.sqrt(sum((step * axis / 10) ** 2 for step, axis in zip(SPACING_DHW, position, strict=True)))
    return torch.from_numpy((2 - 4 * distance).astype(np.float32))


@pytest.fixture(autouse=True)
def few_passes(monkeypatch) -> int:
    """Of a mean over random passes, three show all that it is."""
    monkeypatch.setattr(uncertainty_sources, "PASSES", 3)
    return 3


@pytest.fixture
def passes(a_cpu):
    """Passes over the blob: `passes(network, seed=0, dropout=...)`."""

    def make(network: nn.Module, seed: int = 0, **changes) -> ScanPasses:
        window = SlidingWindow(WindowRule(changes.pop("patch", SIZE), 0.5), a_cpu, 3)
        return ScanPasses(network.eval(), window, changes.pop("image", a_blob())[None], SPACING_DHW, seed)

    return make


@pytest.fixture
def a_network(a_tiny_architecture):
    def make(dropout: float = 0.0, **changes) -> CoraNet:
        torch.manual_seed(1)
        return CoraNet(replace(a_tiny_architecture, dropout=dropout, **changes))

    return make


@pytest.mark.parametrize("source", ["softmax", "dropout", "augmentation"])
def test_each_source_gives_probabilities(passes, a_network, source):
    probabilities = getattr(passes(a_network(), patch=(8, 12, 16)), source)()
    assert probabilities.shape == (3, *SIZE)
    torch.testing.assert_close(probabilities.sum(0), torch.ones(SIZE), atol=1e-4, rtol=0)
    assert probabilities.min() >= 0


def test_softmax_is_that_of_the_segmentation_head(passes):
    torch.testing.assert_close(passes(Brightness()).softmax()[1], torch.sigmoid(2 * a_blob()), atol=1e-5, rtol=1e-5)


def test_views_are_turned_back_to_where_they_came_from(passes, few_passes):
    scan_passes = passes(Brightness(), image=a_blob() + torch.linspace(-3, 3, SIZE[2]))
    plain = scan_passes.softmax()[1]
    views = [scan_passes._view(number)[1] for number in range(4)]
    inner = (slice(None), slice(4, -4), slice(4, -4))
    assert max((view - plain).abs()[inner].mean() for view in views) < 0.025
    torch.testing.assert_close(
        scan_passes.augmentation()[1],
        torch.stack([scan_passes._view(number)[1] for number in range(few_passes)]).mean(0),
    )


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_change_and_its_inverse_are_nothing_whichever_way_slices_lie(passes, axis):
    ramp = a_blob() + torch.linspace(-3, 3, SIZE[2])
    scan_passes = passes(Brightness(), image=ramp.movedim(0, axis).contiguous())
    spacing = np.insert(np.delete(SPACING_DHW, 0), axis, SPACING_DHW[0])
    scan_passes = replace(scan_passes, spacing_dhw=spacing)
    there = scan_passes._turned(scan_passes.image, 0.3, 1.1)
    back = scan_passes._turned(there, -0.3, 1 / 1.1)[0]
    inner = tuple(slice(size // 4, -(size // 4)) for size in scan_passes.image.shape[1:])
    moved, left = ((other - scan_passes.image[0]).abs()[inner].mean() for other in (there[0], back))
    assert left < 0.05 and moved > 10 * left


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_what_is_round_in_millimetres_stays_round_when_turned(passes, axis):
    image = a_blob().movedim(0, axis).contiguous()
    spacing = np.insert(np.delete(SPACING_DHW, 0), axis, SPACING_DHW[0])
    scan_passes = replace(passes(Brightness(), image=image), spacing_dhw=spacing)
    turned = scan_passes._turned(image[None], 0.7, 1.0)[0]
    assert (turned - image).abs()[image > -1].mean() < 0.03


@pytest.mark.parametrize("share", [0.0, 0.4])
@pytest.mark.parametrize("decoders", ["three", "branches", "classifiers"])
def test_dropout_differs_from_the_plain_pass_and_leaves_the_network_as_it_was(passes, a_network, share, decoders):
    network = a_network(share, decoders=decoders)
    scan_passes = passes(network, patch=(8, 12, 16))
    plain = scan_passes.softmax()
    assert (scan_passes.dropout() - plain).abs().max() > 1e-4
    assert not any(module.training for module in network.modules())
    assert torch.equal(scan_passes.softmax(), plain)


def test_a_network_of_slices_has_all_sources(passes, a_network, a_cpu):
    network = a_network(
        backbone="unet", slice_axis=1, patch_size_kji=(8, 1, 16), strides=((2, 1, 2),), kernels=((3, 1, 3),) * 2
    )
    scan_passes = passes(network)
    scan_passes = replace(
        scan_passes, window=SlidingWindow(WindowRule((8, 1, 16), 0.5, (2, 1, 2), slice_axis=1, voxels=10_000), a_cpu, 3)
    )
    plain = scan_passes.softmax()
    for probabilities in (scan_passes.dropout(), scan_passes.augmentation()):
        assert probabilities.shape == (3, *SIZE)
        assert 1e-4 < (probabilities - plain).abs().max() < 1


def test_dropout_switches_on_dropout_alone(passes, a_network):
    network = a_network(0.4)
    modes = {}
    for name, module in network.named_modules():
        if isinstance(module, FeatureDropout) or "decoder" in name:
            module.register_forward_pre_hook(lambda layer, _, name=name: modes.__setitem__(name, layer.training))
    passes(network, patch=(8, 12, 16)).dropout()
    kinds = {name: isinstance(network.get_submodule(name), FeatureDropout) for name in modes}
    assert modes == kinds and True in kinds.values() and False in kinds.values()


@pytest.mark.slow
@pytest.mark.parametrize("source", ["dropout", "augmentation"])
def test_what_is_random_comes_from_the_seed_and_disturbs_no_other(passes, a_network, source):
    network = a_network()
    torch.manual_seed(3)
    untouched = torch.rand(2)
    torch.manual_seed(3)
    first = getattr(passes(network, patch=(8, 12, 16)), source)()
    assert torch.equal(torch.rand(2), untouched)
    assert torch.equal(getattr(passes(network, patch=(8, 12, 16)), source)(), first)
    assert not torch.equal(getattr(passes(network, seed=1, patch=(8, 12, 16)), source)(), first)


def test_scores_of_probabilities_computed_by_hand():
    probabilities = np.array([[1.0, 0.5, 1 / 3], [0.0, 0.5, 1 / 3], [0.0, 0.0, 1 / 3]], dtype=np.float32)
    np.testing.assert_allclose(least_confidence(probabilities), [0, 0.5, 2 / 3], atol=1e-6)
    np.testing.assert_allclose(predictive_entropy(probabilities), [0, np.log(2) / np.log(3), 1], atol=1e-6)
