from __future__ import annotations

import numpy as np
import pytest
import torch
from scans import grid_of, labels_on, name_of_direction, scan_on, signed_permutations, tilted

from coranet.contract import Label
from coranet.contract.doubt import uncertainty_threshold
from coranet.contract.errors import DataError
from coranet.data.box import Box
from coranet.data.orientation import Orientation
from coranet.data.preprocessing import Preprocessing
from coranet.inference.network_pass import JoinedRows
from coranet.inference.prediction import (
    OwnGridDecision,
    _require_room_for_a_row,
    arrays_of,
    channels_on_own_grid,
    keep_largest,
    on_own_grid,
)
from coranet.networks import HeadLogits
from coranet.uncertainty import uncertainty_map
from coranet.volume import Volume

DIRECTIONS = signed_permutations()
NAMES = [name_of_direction(direction) for direction in DIRECTIONS]
PREDICTIONS = ("segmentation", "conservative", "radical", "uncertain", "uncertainty")


def labels_named(*values: int) -> tuple[Label, ...]:
    return tuple(Label(value, f"class {value}") for value in values)


def logits_that_name(classes: np.ndarray, count: int) -> torch.Tensor:
    one_hot = torch.nn.functional.one_hot(torch.from_numpy(classes.astype(np.int64)), count)
    return one_hot.movedim(-1, 0).float()


def there_and_back(labels: Volume, spacing_mm, values: tuple[int, ...]) -> np.ndarray:
    """A label map through preprocessing, perfect logits, and back onto its own grid."""
    prepared = Preprocessing(tuple(spacing_mm), "zscore").prepare_labels(labels, values)
    logits = logits_that_name(prepared, len(values) + 1)
    return on_own_grid(HeadLogits(logits, logits, logits), labels, labels_named(*values)).segmentation


def dice(first: np.ndarray, second: np.ndarray) -> float:
    return 2 * (first & second).sum() / (first.sum() + second.sum())


@pytest.mark.parametrize("values", [(1, 7), (2, 3, 300)], ids=str)
def test_labels_come_back_exactly_at_equal_spacing_however_a_scan_lies(values):
    for name, direction in zip(NAMES, DIRECTIONS, strict=True):
        labels = labels_on(grid_of(direction=tilted(direction)), values)
        spacing = Orientation.of(labels.grid.direction).spacing_to_canonical(labels.grid.spacing_mm)
        np.testing.assert_array_equal(there_and_back(labels, spacing, values), labels.voxels, name)


@pytest.mark.parametrize("direction", DIRECTIONS[::5], ids=NAMES[::5])
@pytest.mark.parametrize("spacing", [(0.7, 0.8, 0.9), (1.4, 1.1, 1.3), (1.0, 1.0, 2.0)], ids=str)
def test_labels_come_back_nearly_at_other_spacing(direction, spacing):
    labels = labels_on(grid_of((32, 28, 24), (1.0, 1.2, 1.5), tilted(direction)))
    back = there_and_back(labels, spacing, (1, 7))
    assert back.shape == labels.voxels.shape
    for value in (1, 7):
        assert dice(back == value, labels.voxels == value) > 0.95


def random_heads(size=(5, 7, 6), classes: int = 3) -> HeadLogits:
    generator = torch.Generator().manual_seed(0)
    return HeadLogits(*(torch.randn(classes, *size, generator=generator) for _ in range(3)))


def test_every_result_lies_on_the_scans_grid_with_the_labels_values(an_oblique_scan):
    prediction = on_own_grid(random_heads(), an_oblique_scan, labels_named(4, 9))
    for name, voxels in arrays_of(prediction).items():
        assert voxels.shape == an_oblique_scan.voxels.shape, name
        assert voxels.flags["C_CONTIGUOUS"], name
    assert tuple(arrays_of(prediction)) == PREDICTIONS
    for head in (prediction.segmentation, prediction.conservative, prediction.radical):
        assert head.dtype == np.uint8 and set(np.unique(head)) == {0, 4, 9}


@pytest.mark.parametrize(("value", "dtype"), [(255, np.uint8), (256, np.uint16), (65535, np.uint16)])
def test_label_maps_are_as_small_as_their_values_allow(an_oblique_scan, value, dtype):
    prediction = on_own_grid(random_heads(classes=2), an_oblique_scan, labels_named(value))
    assert prediction.segmentation.dtype == dtype and prediction.segmentation.max() == value


def test_uncertain_is_where_the_labels_differ_and_uncertainty_at_least_one_half(an_oblique_scan):
    prediction = on_own_grid(random_heads(), an_oblique_scan, labels_named(4, 9))
    differ = prediction.conservative != prediction.radical
    assert prediction.uncertain.dtype == np.uint8 and prediction.uncertainty.dtype == np.float32
    np.testing.assert_array_equal(prediction.uncertain, differ)
    np.testing.assert_array_equal(prediction.uncertainty >= 0.5, differ)
    assert prediction.uncertainty.min() >= 0 and prediction.uncertainty.max() <= 1


def test_slabs_give_what_the_whole_gives(an_oblique_scan, monkeypatch):
    whole = on_own_grid(random_heads(), an_oblique_scan, labels_named(4, 9))
    monkeypatch.setattr("coranet.inference.prediction._PORTION_NUMBERS", 1)
    by_slice = on_own_grid(random_heads(), an_oblique_scan, labels_named(4, 9))
    for name, voxels in arrays_of(whole).items():
        np.testing.assert_allclose(arrays_of(by_slice)[name], voxels, atol=1e-6 if name == "uncertainty" else 0)


def test_uncertainty_of_a_scan_on_the_networks_grid_is_that_of_its_logits():
    volume = scan_on(grid_of(direction=np.eye(3)))
    heads = random_heads(size=(9, 12, 15))
    prediction = on_own_grid(heads, volume, labels_named(4, 9))
    expected = uncertainty_map(heads.conservative[None], heads.radical[None])[0].numpy()
    # Stored values are rounded down to 11 significant bits.
    np.testing.assert_allclose(prediction.uncertainty, expected, rtol=2**-10, atol=1e-6)


@pytest.mark.parametrize("caution", [-0.6, -0.2, 0.0, 0.3, 1.2])
@pytest.mark.parametrize("classes", [2, 3])
def test_the_region_at_a_caution_is_a_threshold_of_a_map_that_does_not_move(an_oblique_scan, caution, classes):
    labels = labels_named(*range(4, 3 + classes))
    heads = random_heads(classes=classes)
    trained = on_own_grid(heads, an_oblique_scan, labels)
    moved = on_own_grid(heads, an_oblique_scan, labels, caution)
    np.testing.assert_array_equal(moved.uncertainty, trained.uncertainty)
    np.testing.assert_array_equal(moved.segmentation, trained.segmentation)
    np.testing.assert_array_equal(moved.uncertain, trained.uncertainty >= uncertainty_threshold(caution))
    assert 0 < moved.uncertain.sum() < moved.uncertain.size
    if classes == 2:
        np.testing.assert_array_equal(moved.uncertain, moved.conservative != moved.radical)


@pytest.mark.parametrize("direction", DIRECTIONS[::5], ids=NAMES[::5])
def test_channels_come_back_to_where_the_heads_do(direction):
    volume = scan_on(grid_of(direction=tilted(direction)))
    heads = random_heads(classes=2)
    channels = channels_on_own_grid(heads.segmentation, volume.grid)
    assert channels.shape == (2, *volume.voxels.shape) and channels.dtype == np.float32
    expected = on_own_grid(heads, volume, labels_named(1)).segmentation
    np.testing.assert_array_equal(channels.argmax(0), expected)


def in_parts(heads: HeadLogits, seed: int):
    """Rows as a sliding window yields them, of varying number, in memory that the next ones overwrite."""
    random = np.random.default_rng(seed)
    rows = heads.segmentation.shape[1]
    sums = torch.empty(0)
    first = end = 0
    while end < rows:
        end = min(rows, end + int(random.integers(1, 5)))
        sums.fill_(torch.nan)
        sums = torch.cat([head[:, first:end] for head in heads])
        yield JoinedRows(first, HeadLogits(*sums.chunk(3)))
        first = end - 1


@pytest.mark.parametrize("direction", DIRECTIONS[::7], ids=NAMES[::7])
@pytest.mark.parametrize("size", [(9, 12, 15), (4, 12, 6), (21, 19, 7), (1, 3, 2)], ids=str)
@pytest.mark.parametrize("classes", [2, 4])
def test_decisions_row_by_row_are_those_of_all_logits_at_once(direction, size, classes):
    volume = scan_on(grid_of(direction=tilted(direction)))
    heads, labels = random_heads(size, classes), labels_named(*range(3, 2 + classes))
    expected = arrays_of(on_own_grid(heads, volume, labels, 0.3))
    for seed in range(3):
        decision = OwnGridDecision(volume.grid, labels, 0.3)
        decision.fill(in_parts(heads, seed), size[0])
        for name, voxels in arrays_of(decision.prediction).items():
            np.testing.assert_allclose(voxels, expected[name], atol=1e-6 if name == "uncertainty" else 0, err_msg=name)


BOXES = [Box((2, 3, 1), (7, 9, 9)), Box((0, 0, 0), (3, 4, 5)), Box((1, 2, 3), (2, 3, 4))]


@pytest.mark.parametrize("direction", DIRECTIONS[::11], ids=NAMES[::11])
@pytest.mark.parametrize("box", BOXES, ids=str)
@pytest.mark.parametrize("at_the_end", [False, True])
def test_a_box_is_decided_and_nothing_around_it(direction, box, at_the_end):
    volume = scan_on(grid_of(direction=tilted(direction)))
    orientation = Orientation.of(volume.grid.direction)
    shape = orientation.to_canonical(volume.voxels).shape
    if at_the_end:
        box = Box(tuple(np.subtract(shape, box.size).tolist()), shape)
    heads = random_heads((4, 5, 6))
    decision = OwnGridDecision(volume.grid, labels_named(4, 9), 0.2)
    decision.fill(in_parts(heads, 0), 4, box)
    alone = on_own_grid(heads, scan_on(grid_of(box.size[::-1], direction=np.eye(3))), labels_named(4, 9), 0.2)
    for name, voxels in arrays_of(decision.prediction).items():
        canonical = orientation.to_canonical(voxels).copy()
        np.testing.assert_allclose(canonical[box.slices], arrays_of(alone)[name], atol=1e-6, err_msg=name)
        canonical[box.slices] = 0
        assert not canonical.any(), name


def test_boxes_are_decided_one_after_the_other(an_oblique_scan):
    decision = OwnGridDecision(an_oblique_scan.grid, labels_named(4, 9))
    shape = Orientation.of(an_oblique_scan.grid.direction).to_canonical(an_oblique_scan.voxels).shape
    ones = torch.zeros(3, 2, 2, 2)
    ones[2] = 1
    for box in (Box((0, 0, 0), (2, 2, 2)), Box(tuple(count - 3 for count in shape), shape)):
        decision.fill([JoinedRows(0, HeadLogits(ones, ones, ones))], 2, box)
    assert (decision.prediction.segmentation == 9).sum() == 8 + 27
    assert set(np.unique(decision.prediction.segmentation)) == {0, 9}


def test_islands_are_neither_found_nor_uncertain(an_oblique_grid):
    volume = scan_on(an_oblique_grid)
    shape = volume.voxels.shape
    found, eager = np.zeros(shape), np.zeros(shape)
    found[2:5, 2:8, 2:8] = found[7, 10, 12] = 1
    eager[2:6, 2:8, 2:8] = eager[7:9, 9:11, 11:13] = 1
    canonical = [
        Orientation.of(an_oblique_grid.direction).to_canonical(array).copy() for array in (found, found, eager)
    ]
    prediction = on_own_grid(HeadLogits(*(logits_that_name(array, 2) for array in canonical)), volume, labels_named(4))
    keep_largest(prediction, ())
    assert prediction.segmentation[7, 10, 12] == 4 and prediction.uncertain[8, 10, 12] == 1
    keep_largest(prediction, (4,))
    found[7, 10, 12] = 0
    eager[7:9, 9:11, 11:13] = 0
    np.testing.assert_array_equal(prediction.segmentation, 4 * found)
    np.testing.assert_array_equal(prediction.conservative, 4 * found)
    np.testing.assert_array_equal(prediction.radical, 4 * eager)
    np.testing.assert_array_equal(prediction.uncertain, found != eager)
    np.testing.assert_array_equal(prediction.uncertainty >= 0.5, found != eager)


def test_outside_of_a_box_all_is_background(an_oblique_scan):
    heads = random_heads()
    box = Box((1, 2, 3), (7, 9, 12))
    channels = channels_on_own_grid(heads.segmentation.softmax(0), an_oblique_scan.grid, box)
    turned = [Orientation.of(an_oblique_scan.grid.direction).to_canonical(channel) for channel in channels]
    inside = np.zeros(turned[0].shape, dtype=bool)
    inside[box.slices] = True
    assert (turned[0][~inside] == 1).all() and not any(channel[~inside].any() for channel in turned[1:])
    np.testing.assert_allclose(np.sum(turned, axis=0), 1, atol=1e-5)


def test_more_classes_than_memory_has_room_for_are_refused(monkeypatch):
    """A limit that is stated and looked at: a row is decided at once for all classes."""
    monkeypatch.setattr("coranet.machine.main_memory.available_bytes", lambda: 3 * 2**30)
    monkeypatch.setattr("coranet.machine.main_memory._ALWAYS_THERE", 0)
    _require_room_for_a_row(3 * 300, (512, 512))
    with pytest.raises(DataError, match=r"512 x 512 voxels takes 8\.8 GiB for all classes .*3\.0 GiB are free"):
        _require_room_for_a_row(3 * 1000, (512, 512))
    monkeypatch.setattr("coranet.machine.main_memory.available_bytes", lambda: None)
    _require_room_for_a_row(10**9, (512, 512))
