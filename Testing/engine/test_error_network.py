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


@pytest.mark.parametrize("size", [(1, 17, 9), (9, 16, 21), (5, 3, 2), (1, 1, 1)])
@pytest.mark.parametrize("spacing_dhw", [(1.0, 1.0, 1.0), (8.0, 1.4, 1.4), (1.2, 1.2, 5.0)])
@torch.inference_mode()
def test_a_whole_scan_and_single_voxels_have_the_same_logits(size, spacing_dhw):
    network, evidence = a_network(spacing_dhw), some_evidence(size)
    whole = network.scan(evidence, slice(0, size[0]))
    assert whole.shape == size
    places = torch.arange(evidence.classes.numel())[::3]
    single = network(network.sampled(evidence, slice(0, size[0]), places))
    torch.testing.assert_close(whole.flatten()[places], single, rtol=1e-3, atol=1e-3)


@torch.inference_mode()
def test_slabs_have_the_logits_of_the_whole_scan(monkeypatch):
    network, evidence = a_network(), some_evidence((200, 5, 6))
    whole = network.scan(evidence, slice(0, 200))
    monkeypatch.setattr(network_file, "SLAB_VOXELS", 1)
    parts = list(slabs(network.architecture, (200, 5, 6)))
    assert len(parts) > 2
    for rows, around in parts:
        inside = slice(rows.start - around.start, rows.stop - around.start)
        torch.testing.assert_close(network.scan(evidence, around)[inside], whole[rows], rtol=1e-3, atol=1e-3)


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
    assert (network.scan(there, rows) - network.scan(evidence, rows))[..., 13].abs().max() > 1e-3


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
