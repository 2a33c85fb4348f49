from __future__ import annotations

import math

import pytest

from coranet.schedules import learning_rate_factor, rising_decay, sigmoid_ramp_up, teacher_decay


@pytest.mark.parametrize(
    ("step", "length", "expected"),
    [
        (0, 100, math.exp(-5)), (50, 100, math.exp(-1.25)), (100, 100, 1.0), (900, 100, 1.0), (-3, 100, math.exp(-5)),
        (0, 0, 1.0), (7, -1, 1.0),
    ],
)  # fmt: skip
def test_ramp_up_follows_its_equation(step, length, expected):
    assert sigmoid_ramp_up(step, length) == pytest.approx(expected)


def test_ramp_up_only_grows():
    values = [sigmoid_ramp_up(step, 40) for step in range(60)]
    assert values == sorted(values)
    assert values[0] < 0.01 and values[-1] == 1


def test_the_teacher_is_the_mean_of_the_first_students_and_then_a_moving_average():
    students = [3.0, -1.0, 4.0, 1.5, -9.0]
    teacher = 100.0
    for step, student in enumerate(students):
        decay = teacher_decay(step, 0.99)
        teacher = decay * teacher + (1 - decay) * student
        assert teacher == pytest.approx(sum(students[: step + 1]) / (step + 1))
    assert teacher_decay(99, 0.99) == pytest.approx(0.99)
    assert teacher_decay(10_000, 0.99) == 0.99


def test_the_learning_rate_stays_or_falls_by_half_a_cosine_wave():
    assert [learning_rate_factor("constant", step, 10) for step in (0, 5, 10)] == [1, 1, 1]
    cosine = [learning_rate_factor("cosine", step, 10) for step in range(13)]
    assert cosine[0] == 1
    assert cosine[5] == pytest.approx(0.505)
    assert cosine[10] == cosine[12] == pytest.approx(0.01)
    assert cosine == sorted(cosine, reverse=True)


@pytest.mark.parametrize(("share", "expected"), [(0, 0.99), (0.5, 1 - 10**-2.5), (1, 0.999), (-1, 0.99), (2, 0.999)])
def test_the_decay_rises_by_the_same_factor_each_step(share, expected):
    assert rising_decay(0.99, 0.999, share) == pytest.approx(expected)
    assert rising_decay(0.99, None, share) == 0.99


def test_a_polynomial_rate_falls_to_a_hundredth():
    values = [learning_rate_factor("polynomial", step, 10) for step in range(13)]
    assert values[0] == 1 and values[5] == pytest.approx(0.5**0.9) and values[10] == values[12] == 0.01
    assert values == sorted(values, reverse=True)


def test_one_cycle_rises_for_a_tenth_and_falls_by_half_a_cosine_wave():
    values = [learning_rate_factor("one_cycle", step, 100) for step in range(101)]
    assert (values[0], values[5], values[10]) == pytest.approx((0.04, 0.52, 1))
    assert values[55] == pytest.approx(0.505) and values[100] == pytest.approx(0.01)
    assert values[:11] == sorted(values[:11]) and values[10:] == sorted(values[10:], reverse=True)


def test_a_training_without_steps_has_a_learning_rate():
    assert learning_rate_factor("cosine", 0, 0) == 1
