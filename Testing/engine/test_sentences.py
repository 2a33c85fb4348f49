"""The plan in words."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from coranet.contract.config import TrainConfig
from coranet.data.preprocessing import ChannelStatistics, ScanStatistics
from coranet.machine.devices import Device
from coranet.networks import Architecture
from coranet.planning.memory import BatchSizes
from coranet.planning.search import Candidate, Search
from coranet.planning.sentences import patch_sentence, spacing_sentence, steps_sentence
from coranet.planning.speed import Speed
from coranet.planning.steps import StepPlan, StepSeconds
from coranet.training_set.structures import Structures

NETWORK = Architecture("vnet", 2, 8, "batch", (40, 40, 40), ((2, 2, 2),), ((3, 3, 3),) * 2)
CPU = Device(torch.device("cpu"), torch.bfloat16, "CPU (2 threads)")


def a_search(scan_mm=(200.0, 200.0, 200.0), extent_mm=(30.0, 50.0, 50.0), **settings) -> Search:
    """Scans of 0.5 mm whose structures have an extent, for an hour."""
    scan = ScanStatistics((0.5, 0.5, 0.5), scan_mm[::-1], (ChannelStatistics(0.0, np.ones(3)),))
    structure = Structures((0.5, 0.5, 0.5), extent_mm, np.ones((2, 2, 2), dtype=np.uint8))
    speed = Speed(lambda architecture, sizes: StepSeconds(1.0, 1.0), 0.0)
    return Search(TrainConfig.from_preset("default", settings), [scan], [structure], 1, True, speed, 3600.0)


def a_candidate(side_mm: float, steps: float = 4000.0, covered: float = 1.0) -> Candidate:
    return Candidate((side_mm,) * 3, NETWORK, BatchSizes(2, 2), steps, 0.974, covered)


def test_a_coarser_spacing_says_what_the_labels_keep_and_what_the_scans_own_would_cost():
    # Each axis has 2.8 times as many voxels: 4000 / 2.8 ^ 3.
    assert spacing_sentence(a_candidate(1.4), a_search()) == (
        "Works at 1.4 mm, where the labels keep a Dice of 0.97; the scans' own 0.5 mm would leave only 180 steps in "
        "1 h."
    )
    assert spacing_sentence(a_candidate(1.4, 20.0), a_search()).endswith("would leave only 1 step in 1 h.")


def test_own_spacing_and_set_spacing_are_said():
    assert spacing_sentence(a_candidate(0.5), a_search()) == "Works at the scans' own 0.5 mm."
    as_set = a_search(**{"data.spacing_mm": [2, 2, 3]})
    chosen = replace(a_candidate(2.0), spacing_dhw=(3.0, 2.0, 2.0))
    assert spacing_sentence(chosen, as_set) == "Works at 2 x 2 x 3 mm, as it is set."


@pytest.mark.parametrize(
    ("scan_mm", "extent_mm", "end"),
    [
        ((200.0,) * 3, (30.0, 50.0, 50.0), "cover liver with at least 15 mm around."),
        ((200.0,) * 3, (30.0, 68.0, 50.0), "cover liver with 6 mm around."),
        ((75.0,) * 3, (30.0, 68.0, 50.0), "cover the whole scan."),
        ((75.0, 75.0, 200.0), (70.0, 70.0, 60.0), "cover liver with 10 mm around."),
    ],
)
def test_a_patch_says_what_it_covers(scan_mm, extent_mm, end):
    sentence = patch_sentence(a_candidate(2.0), a_search(scan_mm, extent_mm), ["liver"])
    assert sentence == f"Patches of 40 x 40 x 40 voxels (80 x 80 x 80 mm up-down, front-back, left-right) {end}"


def test_after_a_coarse_stage_the_scan_is_what_the_fine_network_looks_at():
    sentence = patch_sentence(a_candidate(2.0), a_search((75.0,) * 3), ["liver"], is_part=True)
    assert sentence.endswith("cover all that the fine network sees.")


def test_a_small_patch_says_how_much_it_covers():
    sentence = patch_sentence(a_candidate(1.0, covered=0.5), a_search(), ["a", "b", "c"])
    assert "cover 50 % of all 3 structures with 15 mm around, on the average of the axes" in sentence


def test_slices_say_so_and_look_along_two_axes():
    chosen = replace(a_candidate(2.0), architecture=replace(NETWORK, patch_size_kji=(1, 40, 40), slice_axis=0))
    assert "cover both structures in a slice with at least 15 mm around." in patch_sentence(
        chosen, a_search(), ["a", "b"]
    )


def test_steps_say_their_stages_and_where_they_are_done():
    assert steps_sentence(StepPlan(1400, 2900, 1, 1, 0), "1 h", CPU, True) == (
        "4,300 steps (1,400 on labeled cases, then 2,900 with unlabeled ones) fit into 1 h on this CPU (2 threads), "
        "bfloat16."
    )
    assert steps_sentence(StepPlan(0, 50, 1, 1, 0), "1 min", CPU, False).startswith("About 50 steps (with unlabeled")
