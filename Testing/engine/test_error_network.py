from __future__ import annotations

import pytest
import torch

from coranet.error_model import network as network_file
from coranet.error_model.evidence import ENDS, HEAD_CHANNELS, Evidence
from coranet.error_model.network import ErrorArchitecture, ErrorNetwork, slabs

CHANNELS = len(HEAD_CHANNELS) + 1


def a_network(spacing_dhw=(1.0, 1.0, 1.0)) -> ErrorNetwork:
    torch.manual_seed(0)
    network = ErrorNetwork(ErrorArchitecture(CHANNELS, spacing_dhw, width=4, ends=True))
    torch.nn.init.normal_(network.mean)
    network.deviation.fill_(1.5)
    return network.eval()


def some_evidence(size: tuple[int, int, int]) -> Evidence:
    generator = torch.Generator().manual_seed(1)
    classes = torch.randint(0, 2, size, generator=generator, dtype=torch.uint8)
    return Evidence(torch.randn(CHANNELS, *size, generator=generator).half(), classes, 1 - classes)


def interpolated_everywhere(network: ErrorNetwork, evidence: Evidence) -> torch.Tensor:
    """The features of all voxels, every level made fine by the library's own interpolation."""
    size = evidence.classes.shape
    levels = [evidence.channels.float()]
    for factors in network.architecture.factors:
        pads = [part for axis in (2, 1, 0) for part in (0, -size[axis] % factors[axis])]
        whole = torch.nn.functional.pad(levels[0][None], pads, mode="replicate")
        levels.append(torch.nn.functional.avg_pool3d(whole, factors)[0])
    levels = [torch.cat([level, network._slopes(level)]) for level in levels]
    features, factors = levels[-1], [(1, 1, 1), *network.architecture.factors]
    for number in reversed(range(len(levels) - 1)):
        scale = [coarse / fine for fine, coarse in zip(factors[number], factors[number + 1], strict=True)]
        fine = torch.nn.functional.interpolate(features[None], scale_factor=scale, mode="trilinear")[0]
        features = torch.cat([levels[number], fine[(slice(None), *map(slice, levels[number].shape[1:]))]])
    index = [axis.flatten() for axis in torch.meshgrid(*map(torch.arange, size), indexing="ij")]
    return torch.cat([features.flatten(1), *network._position(evidence, slice(0, size[0]), index)]).T


def every_voxel(network: ErrorNetwork, evidence: Evidence, rows: slice) -> torch.Tensor:
    """The log-odds of some rows."""
    shape = evidence.classes[rows].shape
    return network(network.sampled(evidence, rows, torch.arange(shape.numel()))).reshape(shape)


@pytest.mark.parametrize("size", [(1, 17, 9), (9, 16, 21), (5, 3, 2), (1, 1, 1)])
@pytest.mark.parametrize("spacing_dhw", [(1.0, 1.0, 1.0), (8.0, 1.4, 1.4), (1.2, 1.2, 5.0)])
@torch.inference_mode()
def test_single_voxels_have_the_features_of_the_whole_scan(size, spacing_dhw):
    network, evidence = a_network(spacing_dhw), some_evidence(size)
    whole = interpolated_everywhere(network, evidence)
    assert whole.shape == (evidence.classes.numel(), network.architecture.features)
    places = torch.arange(evidence.classes.numel())[::3]
    single = network.sampled(evidence, slice(0, size[0]), places)
    torch.testing.assert_close(single, whole[places], rtol=1e-3, atol=1e-3)
    assert network(single).shape == places.shape


@torch.inference_mode()
def test_slabs_have_the_log_odds_of_the_whole_scan(monkeypatch):
    network, evidence = a_network(), some_evidence((200, 5, 6))
    whole = every_voxel(network, evidence, slice(0, 200))
    monkeypatch.setattr(network_file, "SLAB_VOXELS", 1)
    parts = list(slabs(network.architecture, (200, 5, 6)))
    assert len(parts) > 2
    for rows, around in parts:
        inside = slice(rows.start - around.start, rows.stop - around.start)
        torch.testing.assert_close(every_voxel(network, evidence, around)[inside], whole[rows], rtol=1e-3, atol=1e-3)


def test_an_axis_of_long_voxels_is_halved_once_the_others_are_as_long():
    assert ErrorArchitecture(9, (1.0, 1.0, 1.0), levels=3).factors == [(2, 2, 2), (4, 4, 4), (8, 8, 8)]
    assert ErrorArchitecture(9, (4.0, 1.0, 1.0), levels=3).factors == [(1, 2, 2), (1, 4, 4), (2, 8, 8)]
    assert ErrorArchitecture(9, (10.0, 1.0, 1.0), levels=3).rows == 1


@torch.inference_mode()
def test_what_lies_far_away_is_seen():
    network, evidence = a_network(), some_evidence((8, 8, 48))
    there = Evidence(evidence.channels.clone(), evidence.classes, evidence.runner_up)
    there.channels[..., 16:] += 3
    rows = slice(0, 8)
    changed = every_voxel(network, there, rows) - every_voxel(network, evidence, rows)
    assert changed[..., 13].abs().max() > 1e-3


def test_an_architecture_comes_back_from_json():
    architecture = ErrorArchitecture(10, (2.0, 1.0, 1.0), width=5, levels=2)
    assert ErrorArchitecture.from_dict(architecture.to_dict()) == architecture


def test_an_architecture_of_an_earlier_version_sees_no_ends_and_leaves_the_softmax_out():
    content = ErrorArchitecture(9, (1.0, 1.0, 1.0), ends=True, softmax_share=0.5).to_dict()
    del content["ends"], content["softmax_share"]
    before = ErrorArchitecture.from_dict(content)
    assert (before.ends, before.softmax_share) == (False, 0.0)
    assert before.features == ErrorArchitecture(9, (1.0, 1.0, 1.0), ends=True).features - ENDS


@pytest.mark.parametrize(
    "change", [{"width": 0}, {"levels": 99}, {"spacing_dhw": [1.0, 0.0, 1.0]}, {"channels": 3}, {"softmax_share": 2.0}]
)
def test_a_damaged_architecture_is_refused(change):
    with pytest.raises(ValueError):
        ErrorArchitecture.from_dict({**ErrorArchitecture(9, (1.0, 1.0, 1.0)).to_dict(), **change})
