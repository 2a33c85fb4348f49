from __future__ import annotations

import itertools
import math

import pytest
import torch

from coranet.error_model.depth import deep_log_odds


def row(*values: float, kind: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.tensor(values, dtype=kind)[None, None]


def deep_in_row(wrong, classes, second, tolerance_mm=1.0, spacing_mm=1.0) -> list[float]:
    labels = (row(*numbers, kind=torch.uint8) for numbers in (classes, second))
    return deep_log_odds(row(*wrong), *labels, (9.0, 9.0, spacing_mm), tolerance_mm).flatten().tolist()


@pytest.mark.parametrize(
    ("wrong", "classes", "second", "deep"),
    [
        # An error is as deep as the least probable one beside it.
        ([-1, -2, -5, -5], [1, 1, 1, 1], [0, 0, 0, 0], [-2, -5, -5, -5]),
        # Across a boundary a class is absent as probably as the other one is right; the structure is there or not.
        ([-1, -2, 2, -3], [1, 1, 0, 0], [0, 0, 1, 1], [-2, -2, -3, -3]),
        ([-3, -3, -1, -1], [1, 1, 0, 0], [0, 0, 1, 1], [-3, -3, -1, -1]),
        # Of a third class that nobody names little is expected.
        ([-1, 1, -1], [1, 2, 1], [0, 0, 0], [-1, 1, -1]),
        # Beyond what a map holds nothing is derived.
        ([-11, -20, -11], [1, 1, 1], [0, 0, 0], [-11, -20, -11]),
    ],
)
def test_a_class_is_true_nowhere_near_where_it_is_least_probably_wrong(wrong, classes, second, deep):
    assert deep_in_row(wrong, classes, second) == deep


def test_the_tolerance_is_in_millimetres():
    row_of = ([-1.0, -2.0, -3.0, -4.0, -5.0], [1] * 5, [0] * 5)
    assert deep_in_row(*row_of, tolerance_mm=0.9) == [-1, -2, -3, -4, -5]
    assert deep_in_row(*row_of, tolerance_mm=1.00001) == [-2, -3, -4, -5, -5]
    assert deep_in_row(*row_of, tolerance_mm=1.0, spacing_mm=0.5) == [-3, -4, -5, -5, -5]


def test_it_is_what_each_voxel_says_of_each_other():
    """Three classes, long voxels: an oracle voxel by voxel."""
    random = torch.Generator().manual_seed(0)
    size, spacing, tolerance = (3, 5, 6), (2.0, 1.0, 1.2), 2.0
    wrong = torch.randn(size, generator=random) * 4
    classes = torch.randint(0, 3, size, generator=random, dtype=torch.uint8)
    second = (classes + torch.randint(1, 3, size, generator=random, dtype=torch.uint8)) % 3
    expected = wrong.clone()
    voxels = list(itertools.product(*map(range, size)))
    for here, there in itertools.product(voxels, voxels):
        away = math.dist(
            *([index * step for index, step in zip(voxel, spacing, strict=True)] for voxel in (here, there))
        )
        if away <= tolerance and wrong[here] > -10:
            own, odds = classes[here], wrong[there]
            if classes[there] != own:
                odds = -odds if second[there] == own else odds.abs() + 4
            expected[here] = min(expected[here], odds)
    found = deep_log_odds(wrong, classes, second, spacing, tolerance)
    torch.testing.assert_close(found, expected)
    assert (found <= wrong).all()
