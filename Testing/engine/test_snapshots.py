from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scans import grid_of, scan_on, signed_permutations, tilted
from small_jobs import training_job

from coranet.contract import Case, Role
from coranet.contract.config import InferenceConfig
from coranet.contract.errors import ConfigError
from coranet.contract.events import SnapshotSaved
from coranet.data.box import Box
from coranet.data.cache import PreparedCase
from coranet.data.orientation import Orientation
from coranet.inference.network_pass import JoinedRows, SlidingWindow
from coranet.networks import HeadLogits
from coranet.training.snapshots import Snapshots
from coranet.volume import read_grid, read_label_map, write_volume


@pytest.fixture
def a_job(tmp_path, a_phantom_set):
    return training_job(tmp_path / "Training ü", a_phantom_set)


def a_prepared_case(folder, name: str, direction=None) -> PreparedCase:
    """A scan on a turned grid; prepared, its voxels are only brought to the canonical order."""
    scan = scan_on(grid_of(direction=direction))
    path = folder / f"{name}.nrrd"
    write_volume(path, scan.voxels, scan.grid)
    image = Orientation.of(scan.grid.direction).to_canonical(scan.voxels)
    return PreparedCase(Case(name, Role.UNLABELED, str(path)), image[None], None, (), (float(image.min()),))


def logits_of(labels: torch.Tensor) -> torch.Tensor:
    return 9.0 * torch.nn.functional.one_hot(labels, 3).movedim(-1, 0).float()


class StandIn:
    """In place of a sliding window: class 1 where it is bright, class 2 where it is brighter; heads that differ."""

    classes = 3

    def stream(self, network, image, padding):
        (image,), (lowest,) = image, padding
        assert lowest == image.min()
        labels = (image > 100).long() + (image > 120).long()
        radical = labels.clone()
        radical[image < 80] = 1
        yield JoinedRows(0, HeadLogits(*(logits_of(label_map) for label_map in (labels, labels, radical))))


@pytest.mark.parametrize(
    "direction",
    [None, *(tilted(signed_permutation) for signed_permutation in signed_permutations()[1::17])],
    ids=["none", "one", "two", "three"],
)
def test_a_snapshot_lies_on_the_scans_own_grid(tmp_path, a_job, direction):
    case = a_prepared_case(tmp_path, "case-7", direction)
    event = Snapshots(a_job, [case], "", StandIn()).take(torch.nn.Identity(), 120)
    regions = read_label_map(a_job.folder / event.file)
    assert not regions.grid.difference(read_grid(case.case.image))
    voxels = scan_on(regions.grid).voxels
    expected = np.select([voxels < 80, voxels > 120, voxels > 100], [SnapshotSaved.UNCERTAIN, 2, 1], 0)
    np.testing.assert_array_equal(regions.voxels, expected)
    share = float((voxels < 80).mean())
    assert event == SnapshotSaved(120, "case-7", "snapshots/case-7/step-0000120.nrrd", pytest.approx(share))
    assert 0.05 < share < 0.5


def test_outside_of_the_boxes_of_a_case_is_certain_background(tmp_path, a_job):
    whole = a_prepared_case(tmp_path, "case-7", tilted(signed_permutations()[5]))
    boxes = [Box((0, 2, 1), (3, 9, 8)), Box((3, 0, 0), whole.image.shape[1:])]
    pieces = [replace(whole, image=whole.image[(0, *box.slices)][None], box=box) for box in boxes]
    pieces = [replace(piece, padding=(float(piece.image.min()),)) for piece in pieces]
    orientation = Orientation.of(read_grid(whole.case.image).direction)

    def regions(cases) -> np.ndarray:
        event = Snapshots(a_job, cases, "case-7", StandIn()).take(torch.nn.Identity(), 1)
        return orientation.to_canonical(read_label_map(a_job.folder / event.file).voxels)

    expected = np.zeros(whole.image.shape[1:], dtype=np.uint8)
    for box in boxes:
        expected[box.slices] = regions([whole])[box.slices]
    np.testing.assert_array_equal(regions(pieces), expected)


def test_a_real_network_is_seen_as_it_is(tmp_path, a_job, a_random_model, a_cpu):
    package = a_random_model()
    window = SlidingWindow.of(package.architecture, InferenceConfig(), a_cpu)
    snapshots = Snapshots(a_job, [a_prepared_case(tmp_path, "one")], "", window)
    event = snapshots.take(package.load_network(a_cpu), 3)
    path = a_job.snapshot_path("one", 3)
    voxels = read_label_map(path).voxels
    assert set(np.unique(voxels)) <= {0, 1, 2, SnapshotSaved.UNCERTAIN}
    assert event.uncertain_share == pytest.approx((voxels == SnapshotSaved.UNCERTAIN).mean())
    assert event.file == path.relative_to(a_job.folder).as_posix()
    assert path.stat().st_size < voxels.size + 1000


def test_the_case_is_the_first_or_the_one_that_is_named(tmp_path, a_job):
    cases = [a_prepared_case(tmp_path, name) for name in ("b", "a")]
    assert Snapshots(a_job, cases, "", StandIn()).case_id == "b"
    assert Snapshots(a_job, cases, "a", StandIn()).case_id == "a"
    with pytest.raises(ConfigError, match="snapshot_case is 'c', expected .* choose one of: a, b"):
        Snapshots(a_job, cases, "c", StandIn())


def test_without_unlabeled_cases_there_is_nothing_to_look_at(a_job):
    with pytest.raises(ConfigError, match="add an unlabeled case"):
        Snapshots(a_job, [], "", SimpleNamespace())
