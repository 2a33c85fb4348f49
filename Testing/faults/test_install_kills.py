"""SIGKILL while an environment is made: what is half there is not taken for whole, and the next one makes it anew."""

from __future__ import annotations

import importlib.util
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from amounts import IS_FULL, amount, counts
from small_jobs import ENGINE, environment, run_engine
from test_installation import write_wheels

from coranet.contract.process import terminate_tree

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not IS_FULL, reason="each makes an environment twice: make faults"),
    pytest.mark.skipif(not (shutil.which("uv") or importlib.util.find_spec("uv")), reason="needs uv: pip install uv"),
]
# Files of a bare environment, and of the packages of one module: the moments at which it may end.
_MOST_FILES = 40


@pytest.fixture(scope="module")
def wheels(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("faults") / "wheels"
    write_wheels(folder)
    return folder


@pytest.mark.parametrize("number", range(amount(10, 0)))
def test_over_an_installation(tmp_path, wheels, number):
    own = tmp_path / "own"
    tools = tmp_path / "own-tools"
    (tools / "bin").mkdir(parents=True)
    shutil.copy2(shutil.which("uv") or Path(sys.executable).with_name("uv"), tools / "bin")
    last = random.Random(number).randint(1, _MOST_FILES)
    args = ["install", f"--environment={own}", f"--wheels={wheels}"]
    process = subprocess.Popen(
        [sys.executable, str(ENGINE), *args], env=environment(), stdout=subprocess.DEVNULL, start_new_session=True
    )
    while process.poll() is None and sum(1 for _ in own.rglob("*")) < last:
        pass
    terminate_tree(process.pid)
    if process.wait() == 0:
        pytest.skip("it was done before that file")
    if not (tools / "unfinished").exists():
        # On a busy machine, the end comes when all is there and the process only reports on it.
        assert_whole(own)
        pytest.skip("it was done before it was killed")
    counts["kills over an installation"] += 1
    answer = run_engine(*args)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert not (tools / "unfinished").exists()
    assert_whole(own)


def assert_whole(own: Path) -> None:
    (packages,) = {path.parent for path in own.rglob("torch-*.dist-info")}
    modules = [packages / name / "__init__.py" for name in ("torch", "monai", "numpy", "vtk")]
    assert all(path.read_text(encoding="utf-8").startswith("__version__") for path in modules)
