"""What every test shares: seeds, environment and the paths of the repository."""

from __future__ import annotations

import gc
import logging
import os
import random
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent

# Tests that start processes hand the source tree on to them.
os.environ.setdefault("PYTHONUTF8", "1")
# A picture without a display: Mesa's software driver behaves the same on every machine.
os.environ.setdefault("LIBGL_ALWAYS_SOFTWARE", "1")

# No power is cut during tests. The disk is not waited for at each of some thousand small files.
os.fsync = os.fstat  # type: ignore[assignment]


def _memory_folder() -> str | None:
    """A folder in memory that has room for all tests and may hold programs; None: the system has none."""
    folder = "/dev/shm"
    if not (sys.platform == "linux" and os.access(folder, os.W_OK)) or os.statvfs(folder).f_flag & os.ST_NOEXEC:
        return None
    return folder if shutil.disk_usage(folder).free > 4 * 2**30 else None


# Tests make and remove some ten thousand small files and folders.
if "TMPDIR" not in os.environ:
    tempfile.tempdir = _memory_folder()


class _PassingOn(logging.Logger):
    """A logger that passes on what it gets, as most do.

    To each of some seventy of PyTorch's and MONAI's that do not, pytest would add its handlers six times in a test.
    """

    propagate = property(lambda self: True, lambda self, value: None)  # type: ignore[assignment]


logging.setLoggerClass(_PassingOn)

# Test files and the libraries that they import are some million objects, and all of them stay: nothing is to be
# collected while they come, nor looked through again after each some tests.
gc.disable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests come first: what several processes do at the end is then short for each of them."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


def pytest_collection_finish() -> None:
    """From here on garbage is that of tests."""
    gc.freeze()
    gc.enable()


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    """Every test starts from the same random numbers, in whatever order tests run."""
    random.seed(0)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(0)
    if "torch" in sys.modules:
        torch = sys.modules["torch"]
        # For an accelerator that nobody has used, `torch.manual_seed` notes where it was called, each time.
        (torch if torch.cuda.is_initialized() else torch.default_generator).manual_seed(0)
    yield


@pytest.fixture
def repository() -> Path:
    """Root of the repository."""
    return REPOSITORY


@pytest.fixture
def awkward_path(tmp_path: Path) -> Path:
    """An empty folder whose name has a space and letters that are not ASCII."""
    folder = tmp_path / "Müller Ⅱ 心臓"
    folder.mkdir()
    return folder


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real example volumes that may lie beside the repository; tests that need them are skipped without."""
    folder = REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("real example volumes are absent: ../shared/data does not exist")
    return folder


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Iterator[None]:
    """Output that was captured may hold names of files that are not UTF-8, which pytest-xdist cannot send."""
    report = yield
    report.sections = [(name, text.encode("utf-8", "replace").decode("utf-8")) for name, text in report.sections]
    return report
