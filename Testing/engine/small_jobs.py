"""The smallest scans, trainings and engine processes that still do everything once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from patience import PATIENCE_S

from coranet.command_line.cli import main
from coranet.contract import Job, JobKind, input_list, read_datalist
from coranet.contract.config import SegmentConfig, TrainConfig
from coranet.contract.events import Event
from coranet.data.datalist import with_validation_cases
from coranet.model_package import ModelPackage
from coranet.phantoms import PhantomSet, write_phantom_set
from coranet.volume import read_label_map, write_volume

ENGINE = Path(__file__).resolve().parents[2] / "CoraNetSlicer" / "coranet" / "__main__.py"

# Ten steps of a network of 2 filters: everything happens once, nothing is learned.
TINY = {
    "network.base_filters": "2",
    "network.levels": "2",
    "data.patch_size_kji": "[8, 12, 12]",
    "training.pretraining_steps": "4",
    "training.self_training_steps": "6",
    "training.labeled_batch_size": "1",
    "training.unlabeled_batch_size": "1",
    "training.validation_interval": "5",
    "training.checkpoint_interval": "3",
    "training.log_interval": "1",
    "training.error_model": "off",
    "machine.threads": "1",
    "machine.device": "cpu",
}


def tiny_phantoms(folder: Path, labeled: int = 2, unlabeled: int = 2, validation: int = 1, test: int = 1) -> Path:
    """A phantom set of 24 x 20 x 16 voxels; returns its dataset.json."""
    return write_phantom_set(folder, PhantomSet(labeled, unlabeled, validation, test, size_ijk=(24, 20, 16)))


def mask_labels(dataset: Path, mask: Callable[[np.ndarray], np.ndarray], number: int) -> None:
    """Let the labels of the first training cases be known where a mask of their voxels says."""
    content = json.loads(dataset.read_text(encoding="utf-8"))
    for index, row in enumerate(content["training"][:number]):
        labels = read_label_map(dataset.parent / row["label"])
        row["known"] = f"partly/{index}/known.nrrd"
        write_volume(dataset.parent / row["known"], mask(labels.voxels).astype(np.uint8), labels.grid)
    dataset.write_text(json.dumps(content), encoding="utf-8")


def one_half(labels: np.ndarray) -> np.ndarray:
    """A mask for `mask_labels`."""
    known = np.zeros(labels.shape, dtype=bool)
    known[:, : labels.shape[1] // 2] = True
    return known


def settings(**changes: str) -> list[str]:
    """TINY as words of a command line; a change is named with __ for the dot."""
    chosen = {**TINY, **{name.replace("__", "."): value for name, value in changes.items()}}
    return ["--preset", "quick", *(word for name, value in chosen.items() for word in ("--set", f"{name}={value}"))]


def training_job(folder: Path, datalist: Path, **changes: str) -> Job:
    """A prepared training job with the settings TINY."""
    chosen = {**TINY, **{name.replace("__", "."): value for name, value in changes.items()}}
    config = TrainConfig.from_preset("quick", chosen)
    cases = with_validation_cases(read_datalist(datalist), config.data.validation_cases, config.seed)
    return Job.create(folder, JobKind.TRAIN, config, cases)


def segmentation_job(folder: Path, inputs: Sequence[Path], model: Path) -> Job:
    """A prepared segmentation job."""
    config = SegmentConfig(model=str(model)).with_overrides({"machine.threads": 1, "machine.device": "cpu"})
    return Job.create(
        folder, JobKind.SEGMENT, config, replace(input_list(inputs), labels=ModelPackage.read(model).labels)
    )


def call(*args: object) -> int:
    """The command line inside this process."""
    return main([str(word) for word in args])


def environment(**changes: str) -> dict[str, str]:
    """That of a user who has set nothing: the engine finds itself by its own path."""
    # What an administrator has set for pip (a constraint, a folder of wheels) would choose other packages.
    own = {name: value for name, value in os.environ.items() if name != "PYTHONPATH" and name[:4] != "PIP_"}
    inherited = {**own, "PIP_CONFIG_FILE": os.devnull}
    return {**inherited, "PYTHONUTF8": "1", **changes}


def run_engine(*args: object, seconds: float = PATIENCE_S, **changes: str) -> subprocess.CompletedProcess[str]:
    """The command line as a process of its own."""
    command = [sys.executable, str(ENGINE), *map(str, args)]
    return subprocess.run(
        command, env=environment(**changes), capture_output=True, text=True, encoding="utf-8", check=False,
        timeout=seconds,
    )  # fmt: skip


def started_engine(job: Job, *args: str) -> subprocess.Popen[bytes]:
    """`run` on a prepared job as a detached process, started as Slicer does it."""
    with open(job.log_path, "ab") as log:
        return subprocess.Popen(
            [sys.executable, str(ENGINE), "run", str(job.folder), *args],
            env=environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip


def add_events(job: Job, *events: Event) -> None:
    """Write events as the process of a job does."""
    writer = job.open_events()
    for event in events:
        writer.write(event)
    writer.close()


def errors_in(text: str) -> list[str]:
    """The lines of a terminal that are errors; none may be a traceback."""
    assert "Traceback" not in text, text
    return [line for line in text.splitlines() if line.startswith("error: ")]


def the_only_error(capsys: pytest.CaptureFixture[str]) -> str:
    """The one sentence on the terminal of this process."""
    errors = errors_in(capsys.readouterr().err)
    assert len(errors) == 1, errors
    (error,) = errors
    assert error.endswith((".", ")")) and len(error) < 400
    return error


def weights_of(job: Job) -> dict[str, torch.Tensor]:
    """The weights of the finished model."""
    return dict(torch.load(job.model_folder / "weights.pt", weights_only=True))


def differing(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> Iterator[str]:
    """Names of the tensors that differ in a single bit."""
    assert first.keys() == second.keys()
    return (name for name in first if not torch.equal(first[name], second[name]))
