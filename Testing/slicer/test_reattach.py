"""A training outlives the program that started it, and another one comes back to it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from job_fixtures import starting_runner
from patience import PATIENCE_S, wait_until

from coranet.contract import Job, JobStatus, terminate_tree
from coranet.contract.process import start_time
from CoraNetSlicerLib.logic import CoraNetLogic

HERE = Path(__file__).resolve().parent

PARENT = """
import os, sys
sys.path[:0] = [sys.argv[1], sys.argv[2]]
import numpy as np
from CoraNetSlicerLib.logic import CoraNetLogic
from CoraNetSlicerLib.core.context import SceneContext
from job_fixtures import starting_runner
from scene_builders import LIVER_MASK, SHAPE_KJI, add_segmentation, add_volume, rotated_ijk_to_ras

context = SceneContext.standalone()
def volume(name, seed):
    noise = np.random.default_rng(seed).normal(0, 10, SHAPE_KJI) + 100 * LIVER_MASK
    return add_volume(context, name, noise.astype(np.float32), rotated_ijk_to_ras())

labeled = volume("labeled", 1)
truth = add_segmentation(context, "truth", labeled, {"Liver": LIVER_MASK})
runner = starting_runner(FAKE_STEPS="100000") if sys.argv[4] == "fake" else None
settings = {"preset": "quick", "machine.device": "cpu", "training.pretraining_steps": 5000, "training.log_interval": 1,
            "training.checkpoint_interval": 5, "data.patch_size_kji": [8, 8, 8], "network.base_filters": 2,
            "network.levels": 2}
job = CoraNetLogic(context, runner).train([(labeled, truth)], [volume("unlabeled", 2)], settings, folder=sys.argv[3])
print(os.getpid(), flush=True)
"""


@pytest.fixture
def folder(awkward_path):
    """A job's folder; whatever still works on the job after the test is ended."""
    folder = awkward_path / "training 1"
    yield folder
    process = Job.open(folder).read_process() if Job.exists(folder) else None
    if process is not None and start_time(process["pid"]) is not None:
        terminate_tree(process["pid"])


def a_program_starts_a_training_and_exits(folder: Path, engine: str) -> None:
    module_folder = HERE.parents[1] / "CoraNetSlicer"
    command = [sys.executable, "-c", PARENT, str(module_folder), str(HERE), str(folder), engine]
    process = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=PATIENCE_S, check=False)
    assert process.returncode == 0, process.stderr
    assert start_time(int(process.stdout)) is None


def check_that_another_logic_takes_over(context, folder: Path, runner=None) -> None:
    job = CoraNetLogic(context, runner).attach(folder)
    assert job.status is JobStatus.RUNNING
    wait_until(lambda: job.poll() and job.progress > 0)
    before = job.progress
    wait_until(lambda: job.poll() and job.progress > before)
    assert job.secondsLeft is None or job.secondsLeft > 0
    job.cancel()
    assert job.wait(PATIENCE_S) is JobStatus.CANCELLED
    wait_until(lambda: start_time(Job.open(folder).read_process()["pid"]) is None)


@pytest.mark.slow
def test_a_training_goes_on_without_its_parent_and_is_found_again(context, folder):
    a_program_starts_a_training_and_exits(folder, "fake")
    check_that_another_logic_takes_over(context, folder, starting_runner())


@pytest.mark.slow
def test_the_real_engine_goes_on_without_its_parent_and_is_found_again(context, folder):
    a_program_starts_a_training_and_exits(folder, "real")
    check_that_another_logic_takes_over(context, folder)
    log = Job.open(folder).log_path.read_text(encoding="utf-8")
    assert "Traceback" not in log


@pytest.mark.slow
def test_the_real_engine_resumes_after_a_stop(context, folder):
    a_program_starts_a_training_and_exits(folder, "real")
    job = CoraNetLogic(context).attach(folder)
    wait_until(lambda: job.poll() and any(event.type == "checkpoint" for event in job.events))
    job.cancel()
    assert job.wait(PATIENCE_S) is JobStatus.CANCELLED
    reached = job.events[-1].step
    job.resume()
    wait_until(lambda: job.poll() and job.progress * 5000 > reached)
    assert [event.type for event in job.events].count("started") == 2
    job.cancel()
    assert job.wait(PATIENCE_S) is JobStatus.CANCELLED
