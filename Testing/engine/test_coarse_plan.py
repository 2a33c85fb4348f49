from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from coranet.coarse.boxes import Part, looked_at
from coranet.coarse.grid import CanonicalGrid
from coranet.coarse.plan import (
    coarse_config,
    coarse_spacing_mm,
    decision,
    fine_patch_voxels,
    in_millimetres,
    least_margin_mm,
    measured_margin_mm,
    new_part,
    pays,
    plan_part,
    steps_for_cost,
    steps_in_share,
)
from coranet.coarse.scans import LabeledScan
from coranet.contract.config import DataConfig, NetworkConfig, TrainConfig
from coranet.contract.errors import ConfigError
from coranet.data.box import Box
from coranet.data.preprocessing import ChannelStatistics, ScanStatistics


def a_scan(size_dhw, spacing_dhw, box: Box, minimum: float = 0.0, channels: int = 1) -> LabeledScan:
    """A scan whose label fills a box."""
    extent = tuple(count * step for count, step in zip(size_dhw[::-1], spacing_dhw[::-1], strict=True))
    channel = ChannelStatistics(minimum, np.linspace(0, 100, 50))
    statistics = ScanStatistics(tuple(spacing_dhw[::-1]), extent, (channel,) * channels)
    mm3 = box.voxels * math.prod(spacing_dhw)
    return LabeledScan("a", statistics, CanonicalGrid(size_dhw, spacing_dhw), (Part(box, mm3),))


CT = a_scan((200, 256, 256), (2.0, 1.5, 1.5), Box((100, 100, 100), (130, 140, 150)), minimum=-1000.0)
STACK = a_scan((10, 256, 232), (10.0, 1.4, 1.4), Box((2, 90, 90), (9, 150, 150)))
CROP = a_scan((88, 146, 192), (0.625, 0.625, 0.625), Box((10, 20, 20), (80, 130, 170)))
SMALL = a_scan((40, 50, 39), (1.0, 1.0, 1.0), Box((20, 20, 20), (22, 22, 22)))


@pytest.mark.parametrize(("scan", "expected"), [(CT, True), (STACK, True), (CROP, False), (SMALL, False)])
def test_it_pays_for_small_structures_in_large_scans(scan, expected):
    assert pays(TrainConfig(), [scan]) is expected


@pytest.mark.parametrize("scan", [CT, CROP, SMALL])
def test_it_is_as_it_was_set(scan):
    assert pays(TrainConfig(data=DataConfig(coarse_stage="on")), [scan])
    assert not pays(TrainConfig(data=DataConfig(coarse_stage="off")), [scan])


def test_scans_of_a_fixed_size_are_looked_at_whole():
    fixed = DataConfig(size_kji=(0, 256, 256))
    assert not pays(TrainConfig(data=fixed), [STACK])
    with pytest.raises(ConfigError, match=r"coarse_stage is 'on' and data\.size_kji is set.*leave one of them out"):
        pays(TrainConfig(data=replace(fixed, coarse_stage="on")), [STACK])


@pytest.mark.parametrize("scan", [CT, STACK, CROP, SMALL])
def test_the_whole_scan_is_one_small_window(scan):
    spacing = coarse_spacing_mm([scan.statistics])
    size = np.divide(scan.statistics.extent_mm, spacing)
    assert np.round(size).prod() <= 16_384 * 1.1 and size.max() <= 97
    # No finer than the scan, and alike along the axes that are not thicker by themselves.
    assert all(step >= own - 1e-9 for step, own in zip(spacing, scan.statistics.spacing_mm, strict=True))
    part = plan_part(TrainConfig(), [scan])
    assert math.prod(part.architecture.patch_size_kji) <= 2 * 16_384
    assert all(patch >= 0.8 * count for patch, count in zip(part.architecture.patch_size_kji, size[::-1], strict=True))


def test_thick_slices_stay():
    assert coarse_spacing_mm([STACK.statistics])[2] == 10
    in_plane = coarse_spacing_mm([STACK.statistics])[:2]
    assert in_plane[0] == in_plane[1] > 1.4


def test_the_network_is_small_and_has_the_three_heads():
    part = plan_part(TrainConfig(), [CT])
    architecture = part.architecture
    assert (architecture.classes, architecture.base_filters, architecture.decoders) == (2, 8, "branches")
    assert architecture.backbone == "vnet" and architecture.slice_axis is None
    assert part.preprocessing.intensity == "window"
    assert part.least_mm3 == pytest.approx(0.1 * CT.parts[0].mm3)
    assert part.least_total_mm3 == pytest.approx(0.6 * CT.parts[0].mm3)


def test_it_sees_all_channels():
    scan = a_scan((200, 256, 256), (2.0, 1.5, 1.5), Box((100, 100, 100), (130, 140, 150)), channels=2)
    assert plan_part(TrainConfig(), [scan]).architecture.in_channels == 2


def test_the_least_margin_is_ten_millimetres_and_two_coarse_voxels():
    # The coarse network sees this CT at 15.2 mm.
    assert least_margin_mm(TrainConfig(), [CT.statistics]) == pytest.approx([2 * 15.2] * 3, abs=0.1)
    assert least_margin_mm(TrainConfig(), [SMALL.statistics]) == pytest.approx([10.0] * 3)
    set_ = TrainConfig(data=DataConfig(coarse_margin_mm=4.0))
    assert least_margin_mm(set_, [CT.statistics]) == (4.0, 4.0, 4.0)


def test_margins_of_a_small_animal_are_small():
    mouse = a_scan((40, 50, 39), (0.06, 0.03, 0.03), Box((20, 20, 20), (22, 22, 22)))
    assert least_margin_mm(TrainConfig(), [mouse.statistics]) == pytest.approx([1.0] * 3)
    assert in_millimetres((0.5, 0.5, 0.5)) == "0.5 mm"


def test_slices_that_are_looked_at_one_by_one_need_thirty_millimetres_around():
    assert least_margin_mm(TrainConfig(), [STACK.statistics]) == pytest.approx([30.0, 30.0, 20.0])
    as_volumes = TrainConfig(network=NetworkConfig(backbone="vnet"))
    along_l, along_p, along_s = least_margin_mm(as_volumes, [STACK.statistics])
    assert along_l == along_p < 30 and along_s == 20.0


def test_the_margin_holds_half_as_much_again_as_was_missed_at_worst():
    least = (10.0, 10.0, 16.0)
    # Missed along D, H, W; the margin is along L, P, S.
    assert measured_margin_mm(DataConfig(), least, [(0, 2, 8), (4, 10, 0)]) == (12.0, 15.0, 16.0)
    assert measured_margin_mm(DataConfig(), least, [(200, 0, 0)]) == (10.0, 10.0, 40.0)
    assert measured_margin_mm(DataConfig(), least, []) == least
    assert measured_margin_mm(DataConfig(coarse_margin_mm=4.0), (4.0,) * 3, [(200, 0, 0)]) == (4.0,) * 3


def test_its_training_is_short_and_without_validation():
    config = coarse_config(TrainConfig(), 200, has_unlabeled=True)
    training = config.training
    assert training.pretraining_steps + training.self_training_steps == 200
    assert training.method == "coranet" and training.snapshot_interval == 0 and training.validation_interval == 200
    assert not config.time
    assert coarse_config(TrainConfig(), 200, has_unlabeled=False).training.method == "supervised"
    supervised = replace(TrainConfig(), training=replace(TrainConfig().training, method="supervised"))
    assert coarse_config(supervised, 200, has_unlabeled=True).training.method == "supervised"


def test_steps_cost_a_twentieth_within_bounds():
    part = plan_part(TrainConfig(), [CT])
    voxels = math.prod(part.architecture.patch_size_kji)

    def steps(total: int, fine_voxels: float) -> int:
        training = replace(TrainConfig().training, pretraining_steps=0, self_training_steps=total)
        return steps_for_cost(replace(TrainConfig(), training=training), part, fine_voxels)

    assert steps(1000, 4 * voxels) == 200
    assert steps(100_000, 4 * voxels) == steps(10**6, voxels)
    assert steps(1000, 0.1 * voxels) > 50
    assert steps(10, voxels) == 10


def test_the_fine_patch_is_the_region_as_far_as_settings_allow():
    assert fine_patch_voxels(DataConfig(patch_size_kji=(4, 5, 6)), [CT], (10.0,) * 3) == 120
    assert fine_patch_voxels(DataConfig(patch_voxels=1000), [CT], (10.0,) * 3) == 1000
    # 30 x 40 x 50 voxels of 2 x 1.5 x 1.5 mm, with 5, 7 and 7 voxels at each side.
    assert fine_patch_voxels(DataConfig(), [CT], (10.0,) * 3) == pytest.approx(40 * 54 * 64)


def test_a_margin_in_words():
    assert in_millimetres((10.0, 10.0, 10.0)) == "10 mm"
    assert in_millimetres((10.0, 10.4, 16.0)) == "10 to 16 mm"


def test_in_a_time_it_takes_a_twentieth_or_up_to_a_tenth_where_that_is_too_few():
    # Half of the steps are of each stage: a second on the average.
    assert steps_in_share(36_000, 0.5, 1.5) == 1800
    assert steps_in_share(12_000, 0.5, 1.5) == 800
    assert steps_in_share(3600, 0.5, 1.5) == 360
    assert steps_in_share(360_000, 0.5, 1.5) == 2000
    assert steps_in_share(1, 0.5, 1.5) == 1


def test_the_decision_names_share_and_spacing():
    part = plan_part(TrainConfig(), [CT])
    share = 100 * looked_at(CT.boxes(part.margin_mm), CT.grid.shape)
    assert f"around them fill {share:.0f} % of a scan, so a coarse network (" in decision(part, [CT])
    assert new_part(TrainConfig(), [CT]) == part and new_part(TrainConfig(), [CROP]) is None


@pytest.mark.parametrize("count", [1, 3, 20])
@pytest.mark.parametrize("scan", [CT, STACK, CROP, SMALL], ids=["CT", "stack", "crop", "small"])
def test_scans_without_a_structure_change_no_decision(scan, count):
    nothing = replace(scan, parts=(), statistics=replace(scan.statistics, channels=_without_foreground(scan)))
    with_nothing, config = [scan] + [nothing] * count, TrainConfig()
    assert pays(config, with_nothing) == pays(config, [scan])
    assert plan_part(config, with_nothing) == plan_part(config, [scan])
    margin = (10.0, 10.0, 10.0)
    assert fine_patch_voxels(config.data, with_nothing, margin) == fine_patch_voxels(config.data, [scan], margin)


def _without_foreground(scan: LabeledScan) -> tuple[ChannelStatistics, ...]:
    return tuple(replace(channel, foreground=channel.foreground[:0]) for channel in scan.statistics.channels)
