"""What the tests of faults share: the server that forks, a model, jobs small enough to be done five hundred times."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from amounts import counts

if sys.platform == "win32":
    collect_ignore_glob = ["test_kills.py", "test_resources.py", "test_privacy.py", "test_install_kills.py"]


def pytest_terminal_summary(terminalreporter) -> None:
    """How many faults there were, of which kind."""
    if counts:
        terminalreporter.section("faults")
        for what, count in sorted(counts.items()):
            terminalreporter.write_line(f"{count:6d}  {what}")


def pytest_sessionfinish(session) -> None:
    """A worker of xdist hands its counts to whoever shows them."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["faults"] = dict(counts)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node, error) -> None:
    """The counts of a worker of xdist."""
    counts.update(getattr(node, "workeroutput", {}).get("faults", {}))


@pytest.fixture(scope="session")
def ram_folder() -> Iterator[Path]:
    """A folder in memory, where there is one: the disk is flushed some ten thousand times."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix="coranet-faults-", dir=memory))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def phantoms(ram_folder) -> Path:
    """A dataset.json of one labeled, one unlabeled, one validation and one test scan of 18 x 17 x 16 voxels."""
    from coranet.phantoms import PhantomSet, write_phantom_set

    return write_phantom_set(ram_folder / "scans", PhantomSet(1, 1, 1, 1, size_ijk=(18, 17, 16)))


@pytest.fixture(scope="session")
def a_training(ram_folder, phantoms) -> Path:
    """The folder of a training that nobody has begun; to be copied."""
    from small_jobs import training_job

    return training_job(ram_folder / "training", phantoms, **SHORTEST).folder


@pytest.fixture(scope="session")
def server(a_training) -> Iterator:
    """Forks processes that have torch imported."""
    from fork_server import ForkServer, Work

    whole = shutil.copytree(a_training, a_training.with_name("whole training"))
    made = ForkServer(Work("fault_work:do_job", {"folder": str(whole), "resume": False}))
    yield made
    made.close()


@pytest.fixture(scope="session")
def whole_training(server, a_training) -> Path:
    """The same training, done without interruption."""
    return a_training.with_name("whole training")


@pytest.fixture(scope="session")
def a_segmentation(ram_folder, whole_training, phantoms) -> Path:
    """The folder of a segmentation of one scan that nobody has begun; to be copied."""
    from small_jobs import segmentation_job

    image = next(iter(sorted((phantoms.parent / "images").iterdir())))
    return segmentation_job(ram_folder / "segmentation", [image], whole_training).folder


# Each kind of write, more than once, in as few steps as that takes.
SHORTEST = {
    "training__pretraining_steps": "2",
    "training__self_training_steps": "2",
    "training__validation_interval": "2",
    "training__checkpoint_interval": "1",
    "training__snapshot_interval": "2",
    "data__patch_size_kji": "[4, 8, 8]",
}
