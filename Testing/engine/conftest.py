"""What the engine's tests share: scans on awkward grids, a tiny network, a reporter that remembers."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest
from scans import grid_of, labels_on, scan_on

from coranet.volume import Grid, Volume


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Small tensors are computed faster, and always alike, on one thread."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


@pytest.fixture
def an_oblique_grid() -> Grid:
    """15 x 12 x 9 voxels of 1 x 1.25 x 2 mm, turned about all three axes."""
    return grid_of()


@pytest.fixture
def an_oblique_scan(an_oblique_grid) -> Volume:
    """Noise on the oblique grid."""
    return scan_on(an_oblique_grid)


@pytest.fixture
def its_labels(an_oblique_grid) -> Volume:
    """Two nested ellipsoids on the oblique grid, with the values 1 and 7."""
    return labels_on(an_oblique_grid)


@pytest.fixture
def a_cpu():
    """The processor, as a device of the engine."""
    from coranet.contract.config import MachineConfig
    from coranet.machine.devices import choose_device

    return choose_device(MachineConfig(device="cpu", threads=1))


@pytest.fixture
def a_tiny_architecture():
    """Three classes, 8 x 12 x 16 voxels, two levels; normalization that does not mix the patches of a batch."""
    from coranet.networks import Architecture

    return Architecture("vnet", 3, 2, "instance", (8, 12, 16), ((2, 2, 2),), ((3, 3, 3), (3, 3, 3)))


@pytest.fixture
def a_reporter():
    """A reporter that nobody asks to stop; its `events` are what was told."""
    from coranet.reporting import Reporter

    class RememberingReporter(Reporter):
        events: list

    events: list = []
    reporter = RememberingReporter(events.append, lambda: False)
    object.__setattr__(reporter, "events", events)
    return reporter


@pytest.fixture
def a_random_model(tmp_path, a_tiny_architecture, a_cpu):
    """Writes the folder of an untrained model: `a_random_model(spacing_mm=..., patch_size=...)`."""
    import torch

    from coranet.contract import Label
    from coranet.data.preprocessing import Preprocessing
    from coranet.model_package import ModelPackage
    from coranet.networks import CoraNet

    def write(spacing_mm=(1.0, 1.25, 2.0), patch_size=(8, 12, 16)) -> ModelPackage:
        torch.manual_seed(5)
        preprocessing = Preprocessing(tuple(spacing_mm), "zscore")
        architecture = replace(a_tiny_architecture, patch_size_kji=tuple(patch_size))
        labels = (Label(1, "organ"), Label(7, "lesion"))
        package = ModelPackage(tmp_path / "model", architecture, preprocessing, labels)
        package.write(CoraNet(architecture))
        return package

    return write


@pytest.fixture(scope="session")
def a_phantom_set(tmp_path_factory):
    """The dataset.json of 2 labeled, 2 unlabeled, 1 validation and 1 test scan; to be read only."""
    from small_jobs import tiny_phantoms

    return tiny_phantoms(tmp_path_factory.mktemp("phantoms"))


@pytest.fixture(scope="session")
def a_trained_job(tmp_path_factory, a_phantom_set):
    """A training job that ran to its end inside this process; to be read only."""
    from small_jobs import training_job

    from coranet.job_process.worker import work_on

    job = training_job(tmp_path_factory.mktemp("trained") / "Training 1 ü", a_phantom_set)
    assert work_on(job, resume=False) == 0
    return job


@pytest.fixture
def another_process():
    """A process that lives as long as the test."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
    yield process
    process.kill()
    process.wait()
