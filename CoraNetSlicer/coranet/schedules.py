"""Courses of weights over training, as pure functions of the step."""

from __future__ import annotations

import math

_LEAST_RATE, _FIRST_RATE = 0.01, 0.04
# Share of the steps in which the rate of "one_cycle" rises.
_WARM_UP = 0.1


def sigmoid_ramp_up(step: int, length: int) -> float:
    """Grows from about 0.007 to 1 over `length` steps: exp(-5 (1 - t)^2) (Laine and Aila 2017; Shi et al. 2021)."""
    if length <= 0:
        return 1.0
    share = min(max(step / length, 0.0), 1.0)
    return math.exp(-5.0 * (1.0 - share) ** 2)


def teacher_decay(step: int, decay: float) -> float:
    """Decay of the teacher's average at a step: a true mean of the first steps, then `decay` (Tarvainen 2017)."""
    return min(1.0 - 1.0 / (step + 1), decay)


def rising_decay(start: float, end: float | None, share: float) -> float:
    """1 - (1 - start)^(1 - t) (1 - end)^t at the share t of all steps; `start` where `end` is None."""
    if end is None:
        return start
    share = min(max(share, 0.0), 1.0)
    return float(1.0 - (1.0 - start) ** (1.0 - share) * (1.0 - end) ** share)


def learning_rate_factor(schedule: str, step: int, total_steps: int) -> float:
    """What the largest learning rate is multiplied by at a step, t = step / total_steps.

    Args:
        schedule: "constant": 1. "cosine": half a cosine wave from 1 down to 0.01. "polynomial": (1 - t)^0.9, at least
            0.01 (Isensee et al. 2021). "one_cycle": from 0.04 in a straight line to 1 at t = 0.1, then half a cosine
            wave down to 0.01 (Smith and Topin 2018).
        step: steps done.
        total_steps: of both stages.
    """
    if schedule == "constant" or total_steps <= 0:
        return 1.0
    share = min(step / total_steps, 1.0)
    if schedule == "polynomial":
        return float(max((1.0 - share) ** 0.9, _LEAST_RATE))
    if schedule == "one_cycle":
        if share < _WARM_UP:
            return _FIRST_RATE + (1.0 - _FIRST_RATE) * share / _WARM_UP
        share = (share - _WARM_UP) / (1.0 - _WARM_UP)
    return _LEAST_RATE + (1.0 - _LEAST_RATE) * 0.5 * (1.0 + math.cos(math.pi * share))
