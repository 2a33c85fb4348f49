"""SIGKILL at any moment: the folder reads as valid, the work goes on, and its end is that of a run nobody disturbed."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from amounts import IS_FULL, amount, counts
from file_faults import KILL, TORN, Fault
from fork_server import ForkServer, Outcome, Work
from job_checks import require_valid, require_valid_review
from synthetic_predictions import CASE_ID, write_margins, write_regions, write_segmented_job

from coranet.contract import Choice, Job, JobStatus
from coranet.regions.files import WrittenCase
from coranet.tensors import load_tensors

pytestmark = pytest.mark.slow

# A job is killed so often before it is left alone to its end.
_KILLS_OF_A_JOB = 13
# So many jobs are killed side by side.
_LANES = amount(4, 1)
# Longer than any piece of work on a quiet machine, shorter than most on a busy one.
_LATEST_S = 2.5


class Killer:
    """Kills the same work in one folder after the other until there were enough kills."""

    def __init__(self, server: ForkServer, work: Callable[[Path], Work], template: Path, seed: int) -> None:
        """Say what is killed.

        Args:
            server: starts it.
            work: makes it, for a folder; done again, it goes on where it was left.
            template: the folder of before.
            seed: of what is drawn.
        """
        self._server, self._work, self._template = server, work, template
        self._random = random.Random(seed)
        self._kinds = self._all_kinds()
        self.left = list(dict.fromkeys(self._kinds))
        self._random.shuffle(self.left)
        self.kills = 0

    def kill_until(self, kills: int, valid: Callable[[Path], object], same: Callable[[Path], object]) -> None:
        """Kill, look, go on.

        Args:
            kills: how often at least.
            valid: raises unless a folder is valid after a kill.
            same: raises unless a folder is at its end as without a kill.
        """
        while self.kills < kills:
            folders = [self._copy(f"killed {lane}") for lane in range(_LANES)]
            going_on = folders
            for _ in range(_KILLS_OF_A_JOB):
                outcomes = self._server.run_together([self._next(folder) for folder in going_on])
                ends = zip(going_on, outcomes, strict=True)
                going_on = [folder for folder, outcome in ends if self._was_killed(folder, outcome, valid)]
                if not going_on or self.kills >= kills:
                    break
            outcomes = self._server.run_together([self._work(folder) for folder in folders])
            for folder, outcome in zip(folders, outcomes, strict=True):
                assert outcome.code == 0, f"what was killed does not go on: {outcome} {log_of(folder)}"
                valid(folder)
                same(folder)
                shutil.rmtree(folder)

    def _was_killed(self, folder: Path, outcome: Outcome, valid: Callable[[Path], object]) -> bool:
        """Look at a folder after a kill; False: the work was done before that."""
        if not outcome.was_killed:
            assert outcome.code == 0, f"{outcome} {log_of(folder)}"
            return False
        self.kills += 1
        valid(folder)
        return True

    def _copy(self, name: str) -> Path:
        return Path(shutil.copytree(self._template, self._template.with_name(f"{self._template.name} {name}")))

    def _next(self, folder: Path) -> Work:
        """The work with its end: at a kind of write that had none yet, at any write, or at any time."""
        work, draw = self._work(folder), self._random.random()
        action = self._random.choice((KILL, TORN))
        if self.left and draw < 0.5:
            return _with(work, Fault(str(folder), action, kind=self.left.pop()))
        if draw < 0.85:
            return _with(work, Fault(str(folder), action, at=self._random.randint(1, len(self._kinds))))
        return Work(work.function, work.args, kill_after_s=self._random.uniform(0.01, _LATEST_S))

    def _all_kinds(self) -> list[str]:
        folder = self._copy("traced")
        trace = folder.with_name("trace.txt")
        outcome = self._server.run(_with(self._work(folder), Fault(str(folder), trace=str(trace))))
        assert outcome.code == 0, outcome.output
        shutil.rmtree(folder)
        return trace.read_text(encoding="utf-8").splitlines()


def _with(work: Work, fault: Fault) -> Work:
    return Work(work.function, work.args, fault)


def log_of(folder: Path) -> str:
    path = Job.open(folder).log_path
    return path.read_text(encoding="utf-8")[-3000:] if path.exists() else ""


def resumed(folder: Path) -> Work:
    return Work("fault_work:do_job", {"folder": str(folder), "resume": True})


def killed(killer: Killer, what: str, kills: int, valid: Callable, same: Callable) -> None:
    kinds = len(killer.left)
    killer.kill_until(kills, valid, same)
    counts[f"kills over {what}, at {kinds} kinds of file operation"] = killer.kills
    if IS_FULL:
        assert not killer.left, f"too few kills for {killer.left}"


def test_over_a_training(server, a_training, whole_training):
    reference = torch.load(whole_training / "model" / "weights.pt", weights_only=True)

    def require_same(folder: Path) -> None:
        assert Job.open(folder).status() is JobStatus.FINISHED
        weights = load_tensors(folder / "model" / "weights.pt")
        assert weights.keys() == reference.keys()
        assert all(torch.equal(weights[name], reference[name]) for name in reference)
        assert not list(folder.rglob("*.partial.*"))
        counts["trainings that were killed again and again with the same weights, bit for bit"] += 1

    killer = Killer(server, resumed, a_training, seed=1)
    killed(killer, "training", amount(335, 4), require_valid, require_same)


def test_over_a_segmentation(server, a_segmentation):
    whole = Path(shutil.copytree(a_segmentation, a_segmentation.with_name("whole segmentation")))
    assert server.run(resumed(whole)).code == 0
    (case,) = Job.open(whole).read_datalist().cases
    reference = WrittenCase.read(Job.open(whole).prediction(case.id))

    def require_same(folder: Path) -> None:
        written = WrittenCase.read(Job.open(folder).prediction(case.id))
        for name in ("segmentation", "conservative", "radical", "uncertain", "uncertainty"):
            assert (getattr(written.prediction, name) == getattr(reference.prediction, name)).all()
        assert written.result["volumes_ml"] == reference.result["volumes_ml"]
        assert not list(folder.rglob("*.partial.*"))

    killed(Killer(server, resumed, a_segmentation, seed=2), "segmentation", amount(130, 3), require_valid, require_same)


@pytest.fixture(scope="module")
def a_segmented_case(ram_folder) -> Path:
    job = write_segmented_job(ram_folder / "reviewed" / "segment 1")
    write_regions(job.prediction(CASE_ID))
    write_margins(job.prediction(CASE_ID))
    return job.folder


def test_over_a_review(a_segmented_case):
    def work(folder: Path) -> Work:
        return Work("fault_work:review", {"folder": str(folder)})

    modules = ["synthetic_predictions", "coranet.contract", "CoraNetSlicerLib.review.region_review"]
    server = ForkServer(Work("fault_work:import_only", {"modules": modules}))
    try:
        whole = Path(shutil.copytree(a_segmented_case, a_segmented_case.with_name("whole")))
        outcome: Outcome = server.run(work(whole))
        assert outcome.code == 0, outcome.output
        decisions = require_valid_review(whole, CASE_ID).decisions
        files = Job.open(whole).prediction(CASE_ID)
        reference = [files.reviewed.read_bytes(), files.known.read_bytes()]
        choices = {number: decision.choice for number, decision in decisions.items()}

        def require_prefix(folder: Path) -> None:
            made = require_valid_review(folder, CASE_ID).decisions
            assert all(made[number].choice is choices[number] for number in made)

        def require_same(folder: Path) -> None:
            assert len(require_valid_review(folder, CASE_ID).decisions) == len(choices)
            files = Job.open(folder).prediction(CASE_ID)
            assert [files.reviewed.read_bytes(), files.known.read_bytes()] == reference

        assert set(choices.values()) == set(Choice) - {Choice.EDITED}
        killed(Killer(server, work, a_segmented_case, seed=3), "review", amount(75, 2), require_prefix, require_same)
    finally:
        server.close()
