"""What reviewers of many cases reach: by decisions a case, and by the share of the volume they looked at."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import NamedTuple

from review_oracle import Course

from coranet.html.svg import COLORS, Axis, Series, line_chart

_WIDTH, _HEIGHT = 720, 300


class Reached(NamedTuple):
    """What is reached after so many decisions a case.

    Attributes:
        looked: share of the volume of all cases that was looked at.
        ml: of a case, on average.
        repaired: share of the wrong voxels of all cases.
        dice: mean over classes and cases.
    """

    looked: float
    ml: float
    repaired: float
    dice: float


@dataclass(frozen=True)
class Size:
    """Of a case: its voxels, and mL of one of them."""

    voxels: int
    voxel_ml: float


def reached(courses: Sequence[Course], sizes: Sequence[Size], decisions: int) -> Reached:
    """The state of all cases after at most so many decisions on each."""
    states = [course.after(decisions) for course in courses]
    first = [course.after(0) for course in courses]
    ml = [looked * size.voxel_ml for (looked, _, _), size in zip(states, sizes, strict=True)]
    all_ml = sum(size.voxels * size.voxel_ml for size in sizes)
    wrong, wrong_at_first = sum(state[1] for state in states), sum(state[1] for state in first)
    dice = sum(state[2] for state in states) / len(states)
    return Reached(sum(ml) / all_ml, sum(ml) / len(ml), 1 - wrong / max(wrong_at_first, 1), dice)


def most_decisions(courses: Sequence[Course]) -> int:
    """On the case with the most questions."""
    return max(len(course.looked) for course in courses) - 1


def within(courses: Sequence[Course], sizes: Sequence[Size], share: float) -> tuple[int, Reached]:
    """The most decisions a case with which no more than a share of the volume is looked at, and what they reach."""
    low, high = 0, most_decisions(courses)
    while low < high:
        middle = (low + high + 1) // 2
        if reached(courses, sizes, middle).looked <= share:
            low = middle
        else:
            high = middle - 1
    return low, reached(courses, sizes, low)


def half_repaired(courses: Sequence[Course], sizes: Sequence[Size]) -> tuple[int, Reached] | None:
    """The fewest decisions a case after which half of the wrong voxels are repaired; None: never."""
    for count in range(most_decisions(courses) + 1):
        state = reached(courses, sizes, count)
        if state.repaired >= 0.5:
            return count, state
    return None


def early_gain(course: Course, decisions: int = 10) -> float:
    """Share of a case's wrong voxels that is repaired, mean after 1, 2, ... decisions: what rankings are chosen by."""
    at_first = max(course.after(0)[1], 1)
    return sum(1 - course.after(count)[1] / at_first for count in range(1, decisions + 1)) / decisions


def picture(title: str, ways: Mapping[str, Sequence[Reached]], before: Reached) -> str:
    """Four charts as one SVG file.

    Args:
        title: above.
        ways: name -> what is reached after 0, 1, 2, ... decisions.
        before: without any, and mL of a whole scan: for the line of whole volumes taken at random.
    """
    decisions = Axis("decisions a case", low=0, high=20)
    most = max(course[-1].looked for course in ways.values())
    share, ml = Axis("% of the volume looked at", low=0), Axis("mL looked at in a case", low=0)
    dice, repaired = Axis("mean Dice", shown=lambda value: f"{value:.2f}"), Axis("% of wrong voxels repaired", low=0)

    def series(x: str, y: str, scale: tuple[float, float] = (1, 1)) -> list[Series]:
        return [
            Series(name, number, [
                (scale[0] * (count if x == "count" else getattr(point, x)), scale[1] * getattr(point, y))
                for count, point in enumerate(course) if x != "count" or count <= 20
            ])
            for number, (name, course) in enumerate(ways.items())
        ]  # fmt: skip

    whole = len(ways)
    rise = most * (1 - before.dice)
    at_random = Series("whole volumes", whole, [(0, 0), (100 * most, 100 * most)])
    dice_at_random = Series("whole volumes", whole, [(0, before.dice), (most * before.ml, before.dice + rise)])
    charts = [
        line_chart(series("count", "repaired", (1, 100)), decisions, repaired),
        line_chart([*series("looked", "repaired", (100, 100)), at_random], share, repaired),
        line_chart(series("count", "dice"), decisions, dice),
        line_chart([*series("ml", "dice"), dice_at_random], ml, dice),
    ]
    return _sheet(title, charts, [*ways, "whole volumes, at random"])


def _sheet(title: str, charts: Sequence[str], names: Sequence[str]) -> str:
    top, columns = 34, 3
    width, height = 2 * _WIDTH, top + 2 * _HEIGHT + 14 + 20 * -(-len(names) // columns)
    placed = [
        f'<g font-size="12" transform="translate({_WIDTH * (number % 2)} {top + _HEIGHT * (number // 2)})">'
        f"{re.sub('^<svg [^>]*>|</svg>$', '', chart)}</g>"
        for number, chart in enumerate(charts)
    ]
    keys = []
    for number, name in enumerate(names):
        x, y = 58 + number % columns * 450, top + 2 * _HEIGHT + 18 + 20 * (number // columns)
        line = f'<path stroke="{COLORS[number % len(COLORS)]}" stroke-width="3" d="M{x} {y - 4}h26"/>'
        keys.append(f'{line}<text x="{x + 34}" y="{y}">{escape(name)}</text>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'font-family="sans-serif" font-size="13"><rect width="100%" height="100%" fill="#ffffff"/>'
        f'<text x="58" y="22" font-size="17" font-weight="600">{escape(title)}</text>'
        f"{''.join(placed)}{''.join(keys)}</svg>\n"
    )
