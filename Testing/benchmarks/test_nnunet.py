"""The comparison with nnU-Net without it: what is measured, what is not repeated, which configuration is taken."""

from __future__ import annotations

import argparse
from pathlib import Path

import nnunet
import numpy as np
import pytest
from experiment_jobs import scans_in
from measured_child import Cost, measured
from nnunet_side import chosen_configuration, until_time_is_up

from coranet.contract import Case, Datalist, Label, Role, read_datalist, write_json_atomic
from coranet.volume import Grid, write_volume

LABELS = (Label(3, "organ"), Label(7, "lesion"))


def box_of(path: Path, value: int, start: int, size: tuple[int, int, int] = (8, 12, 10)) -> Path:
    """A label map of 2 mm voxels with a cube of 4 voxels a side, which begins at `start` along i."""
    voxels = np.zeros(size, dtype=np.uint8)
    voxels[2:6, 3:7, start : start + 4] = value
    write_volume(path, voxels, Grid(size[::-1], (2.0, 2.0, 2.0), (0, 0, 0), (1, 0, 0, 0, 1, 0, 0, 0, 1)))
    return path


def test_figures_by_hand(tmp_path):
    case = Case("a", Role.TEST, "a.nrrd", str(box_of(tmp_path / "truth.nrrd", 7, 2)))
    predicted = box_of(tmp_path / "predicted.nrrd", 2, 3)  # class 2 is label 7; moved by one voxel of 2 mm
    figures = nnunet.score(case, predicted, Datalist((case,), LABELS))
    assert figures["dice"] == {"organ": None, "lesion": pytest.approx(0.75)}
    assert figures["hd95_mm"] == {"organ": None, "lesion": pytest.approx(2.0)}


def test_another_grid_is_refused(tmp_path):
    case = Case("a", Role.TEST, "a.nrrd", str(box_of(tmp_path / "truth.nrrd", 7, 2)))
    other = box_of(tmp_path / "predicted.nrrd", 2, 2, (8, 12, 11))
    with pytest.raises(SystemExit, match="another grid"):
        nnunet.score(case, other, Datalist((case,), LABELS))


@pytest.fixture
def comparison(tmp_path):
    datalist = read_datalist(scans_in(tmp_path / "scans"))
    args = argparse.Namespace(output=tmp_path / "out", seeds=[0, 2], programs=["nnunet", "coranet"], time="20 min")
    return nnunet.Comparison(datalist, datalist.with_role(Role.TEST), ("MRI",), args)


def test_finished_runs_are_not_repeated(comparison, monkeypatch):
    runs = []

    def runs_as(program):
        def run(_, folder, seed):
            runs.append((program, folder.name, seed))
            return {"program": program, "seed": seed}

        return run

    monkeypatch.setattr(nnunet, "PROGRAMS", {name: runs_as(name) for name in ("nnunet", "coranet")})
    write_json_atomic(comparison.args.output / "coranet-seed0" / nnunet.ROW, {"program": "coranet", "seed": 0})
    rows = nnunet.compare(comparison)
    assert runs == [("nnunet", "nnunet-seed0", 0), ("nnunet", "nnunet-seed2", 2), ("coranet", "coranet-seed2", 2)]
    assert [(row["seed"], row["program"]) for row in rows] == [
        (0, "nnunet"), (0, "coranet"), (2, "nnunet"), (2, "coranet"),
    ]  # fmt: skip


def test_our_datalist_keeps_roles_labels_and_values(comparison, tmp_path):
    nnunet._write_datalist(tmp_path / "all.json", comparison.datalist, comparison.datalist.cases)
    assert read_datalist(tmp_path / "all.json") == comparison.datalist


@pytest.mark.parametrize(
    ("patch", "expected"),
    [([40, 56, 40], "3d_fullres"), ([20, 60, 60], "3d_fullres"), ([16, 256, 224], "2d"), (None, "2d")],
)  # fmt: skip
def test_thin_stacks_are_looked_at_in_slices(patch, expected):
    volumes = {} if patch is None else {"3d_fullres": {"patch_size": patch}}
    assert chosen_configuration({"configurations": {"2d": {}, **volumes}}) == expected


class FakeTrainer:
    """Remembers the learning rate of each step."""

    initial_lr = 0.01

    def __init__(self) -> None:
        self.optimizer = argparse.Namespace(param_groups=[{"lr": 0.0}])
        self.dataloader_train = iter(range(10**9))
        self.rates: list[float] = []

    def train_step(self, batch: int) -> dict[str, float]:
        self.rates.append(self.optimizer.param_groups[0]["lr"])
        return {"loss": 1.0}


def test_the_learning_rate_falls_with_the_time_and_ends_with_it(monkeypatch):
    clock = iter(range(10**6))
    monkeypatch.setattr("nnunet_side.BEGUN", 0)
    monkeypatch.setattr("nnunet_side.time.monotonic", lambda: next(clock))
    trainer = FakeTrainer()
    steps = until_time_is_up(trainer, 200)
    assert steps == len(trainer.rates) and 98 <= steps <= 100
    assert trainer.rates[0] == pytest.approx(0.01) and trainer.rates[steps // 2] == pytest.approx(
        0.01 * 0.5**0.9, rel=0.05
    )
    assert all(later < earlier for earlier, later in zip(trainer.rates, trainer.rates[1:], strict=False))
    assert 0 < trainer.rates[-1] < 0.0005


@pytest.mark.slow
def test_a_child_is_measured_and_its_failure_told(tmp_path):
    import sys

    cost = measured([sys.executable, "-c", "x = bytearray(300 * 2**20); print('ü')"], tmp_path / "a" / "log.txt")
    assert isinstance(cost, Cost) and cost.peak_mib > 290 and cost.seconds > 0
    assert "ü" in (tmp_path / "a" / "log.txt").read_text(encoding="utf-8")
    with pytest.raises(SystemExit, match="exit code 3: not today"):
        measured([sys.executable, "-c", "print('not today'); raise SystemExit(3)"], tmp_path / "log.txt")
