"""Courses of weights over training, as pure functions of the step."""

from __future__ import annotations

import math


def sigmoid_ramp_up(step: int, length: int) -> float:
    """Grows from about 0.007 to 1 over `length` steps: exp(-5 (1 - t)^2) (Laine and Aila 2017; Shi et al. 2021)."""
    if length <= 0:
        return 1.0
    share = min(max(step / length, 0.0), 1.0)
    return math.exp(-5.0 * (1.0 - share) ** 2)


def teacher_decay(step: int, decay: float) -> float:
    """Decay of the teacher's average at a step: a true mean of the first steps, then `decay` (Tarvainen 2017)."""
    return min(1.0 - 1.0 / (step + 1), decay)


def learning_rate_factor(schedule: str, step: int, total_steps: int) -> float:
    """What the initial learning rate is multiplied by: 1 ('constant'), or half a cosine wave down to 1 % ('cosine')."""
    if schedule == "constant" or total_steps <= 0:
        return 1.0
    share = min(step / total_steps, 1.0)
    return 0.01 + 0.99 * 0.5 * (1.0 + math.cos(math.pi * share))
