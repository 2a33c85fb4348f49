"""Stands in for the engine: a real process that keeps the job directory's contract but learns nothing.

FAKE_ENGINE in the environment says how it behaves: "" works through STEPS steps; "dies at once"; "fails"; "deaf"
ignores the request to stop and has a child; "launcher" starts another of its kind and waits for it like PythonSlicer.
While the file of FAKE_HELD_BY exists, no plan begins and no training ends: a test looks at it meanwhile.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "CoraNetSlicer"))
from coranet.contract import Job
from coranet.contract.events import (
    Cancelled,
    CheckpointSaved,
    EventWriter,
    Failed,
    Finished,
    Losses,
    Noted,
    PaceMeasured,
    Progress,
    Started,
)

STEPS = int(os.environ.get("FAKE_STEPS", "5"))
SECONDS_A_STEP = float(os.environ.get("FAKE_SECONDS_A_STEP", "0.02"))
HELD_BY = os.environ.get("FAKE_HELD_BY", "")


def is_held() -> bool:
    return os.path.exists(HELD_BY)


def wait_while_held() -> None:
    while is_held():
        time.sleep(SECONDS_A_STEP)


def plan(job: Job, events: EventWriter) -> int:
    wait_while_held()
    for step in range(1, STEPS + 1):
        time.sleep(SECONDS_A_STEP)
        if job.cancel_requested():
            events.write(Cancelled(0))
            return 130
        events.write(Progress("checking", step, STEPS))
    if not job.read_config().time:
        events.write(Noted("patch", "each step takes 2 labeled and 2 unlabeled patches of 96 x 96 x 96 voxels."))
        events.write(PaceMeasured("cpu", 2.0, 0.5, 1.0, 2.5, validation_cases=0))
    events.write(Finished("planned.", 1.0))
    return 0


def run(job: Job, behaviour: str, resume: bool, dry_run: bool) -> int:
    me = job.claim()
    events = job.open_events()
    first = max((event.step for event in job.read_events() if isinstance(event, CheckpointSaved)), default=0)
    first = first if resume else 0
    time_budget = getattr(job.read_config(), "time", "")
    if time_budget and not first:
        events.write(Noted("plan", "works at 1.4 mm; finer would leave only 300 steps."))
        events.write(Noted("plan", f"{STEPS} steps fit into {time_budget} on this CPU."))
    if not dry_run:
        events.write(Started(first, STEPS, "cpu", "fake"))
    if behaviour == "fails":
        events.write(Failed("the label 'x.nrrd' has no voxel; paint one."))
        return 3
    if dry_run:
        return plan(job, events)
    if behaviour == "deaf":
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        (job.folder / "child.pid").write_text(str(child.pid), encoding="utf-8")
    for step in range(first + 1, STEPS + 1):
        time.sleep(SECONDS_A_STEP)
        if job.cancel_requested() and behaviour != "deaf" and not is_held():
            events.write(Cancelled(step - 1))
            return 130
        job.beat(me)
        events.write(Losses(step, "pretraining", total=1 / step, supervised=1 / step))
        events.write(Progress("pretraining", step, STEPS, (STEPS - step) * SECONDS_A_STEP))
        events.write(CheckpointSaved(step))
    wait_while_held()
    events.write(Finished(f"learned nothing in {STEPS} steps: größer als 0.", 1.0))
    return 0


def main() -> int:
    behaviour = os.environ.get("FAKE_ENGINE", "")
    if behaviour == "dies at once":
        sys.stderr.write("ModuleNotFoundError: No module named 'torch' (ÄÖÜ)\n")
        return 1
    if behaviour == "launcher":
        return subprocess.call([sys.executable, *sys.argv], env={**os.environ, "FAKE_ENGINE": "deaf"})
    return run(Job.open(sys.argv[2]), behaviour, "--resume" in sys.argv, "--dry-run" in sys.argv)


if __name__ == "__main__":
    sys.exit(main())
