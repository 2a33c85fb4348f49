"""Settings that fit into the time: fixed for the synthetic data set, measured for a data set of one's own."""

from __future__ import annotations

import shutil
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from dataset import SceneData

from coranet.events import Progress

PHANTOM_SETTINGS = {
    "preset": "quick",
    "data.patch_voxels": 20480,
    "training.pretraining_steps": 250,
    "training.self_training_steps": 350,
    "training.validation_interval": 50,
}
PRETRAINING_SHARE = 1 / 3
# Validation, checkpoints and a machine that grows warm.
RESERVE = 0.85
_PROBE_STEPS = 8
_LEAST_STEPS = 12


def settings_for(logic: Any, data: SceneData, minutes: float | None, folder: Path) -> dict[str, Any]:
    """Settings for `CoraNetLogic.train`.

    Args:
        logic: CoraNetLogic.
        data: what is trained on.
        minutes: time for the training; None: the synthetic data set's own settings.
        folder: for a training of a few steps that measures the machine; removed again.
    """
    if minutes is None:
        return dict(PHANTOM_SETTINGS)
    first, second = _seconds_per_step(logic, data, folder)
    steps = RESERVE * minutes * 60 / (PRETRAINING_SHARE * first + (1 - PRETRAINING_SHARE) * second)
    steps = max(_LEAST_STEPS, min(round(steps), 6000))
    interval = max(_LEAST_STEPS, steps // 12)
    return {
        "preset": "quick",
        "training.pretraining_steps": round(PRETRAINING_SHARE * steps),
        "training.self_training_steps": steps - round(PRETRAINING_SHARE * steps),
        "training.validation_interval": interval,
        "training.checkpoint_interval": interval,
    }


def _seconds_per_step(logic: Any, data: SceneData, folder: Path) -> tuple[float, float]:
    """Median seconds of a step of pretraining and of self-training on this machine."""
    settings = {
        "preset": "quick",
        "training.pretraining_steps": _PROBE_STEPS,
        "training.self_training_steps": _PROBE_STEPS if data.unlabeled else 0,
        "training.validation_interval": 1000,
    }
    job = logic.train(data.training, data.unlabeled[:4], settings, folder, validation=data.validation[:1])
    try:
        job.wait(timeout=240)
        job.cancel()
        job.wait()
        steps = [event for event in job.events if isinstance(event, Progress) and event.total_steps >= _PROBE_STEPS]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    first = _median_gap(steps, lambda phase: phase.startswith("pretraining"), 1.0)
    return first, _median_gap(steps, lambda phase: phase.startswith("self"), 3 * first)


def _median_gap(events: list[Progress], of_phase: Any, unknown: float) -> float:
    times = [event.time for event in events if of_phase(event.phase)]
    gaps = [later - earlier for earlier, later in pairwise(times)][1:]  # the first step allocates memory
    return median(gaps) if gaps else unknown
