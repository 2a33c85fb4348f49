"""The charts of an experiment, made from its results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np

from coranet.html.svg import Axis, DotRow, Point, Series, dot_plot, legend, line_chart

from .plan import UPPER_BOUND
from .results import Curve, MethodResult, RunResult
from .statistics import mean

_LOSS_BINS = 60
_MOST_FLAGGED = 0.25
_STEP = Axis("step", low=0)
_DICE = Axis("Dice", shown=lambda value: f"{value:.2f}")
_FLAGGED = Axis("share of the volume flagged", low=0, shown=lambda value: f"{100 * value:g} %")
_CAUGHT = Axis("share of the wrong voxels in it", low=0, high=1, shown=lambda value: f"{100 * value:g} %")


def numbers_of(results: Sequence[RunResult]) -> dict[str, int]:
    """Method -> the number that gives its colour, the same in every chart."""
    return {name: number for number, name in enumerate(dict.fromkeys(result.run.variant.name for result in results))}


def dice_by_case(methods: Sequence[MethodResult], numbers: Mapping[str, int]) -> str:
    """A dot for each test case, its mean over the seeds."""
    rows = []
    for method in methods:
        by_case: dict[str, list[float | None]] = {}
        for (case, _), value in method.case_figures().items():
            by_case.setdefault(case, []).append(value)
        values = [value for value in map(mean, by_case.values()) if value is not None]
        if values:
            rows.append(DotRow(method.method, numbers[method.method], values))
    return dot_plot(rows, _DICE)


def validation_curves(results: Sequence[RunResult], numbers: Mapping[str, int]) -> str:
    """Mean Dice on the validation cases through training, mean over the seeds."""
    curves = {name: [run.training.validation for run in runs] for name, runs in _by_name(results)}
    series = [Series(name, numbers[name], _mean_curve(runs)) for name, runs in curves.items()]
    return _with_legend(series, _STEP, _DICE)


def loss_curves(results: Sequence[RunResult], numbers: Mapping[str, int], loss: str, title: str) -> str:
    """One of the losses through training, mean over the seeds and over a sixtieth of the steps.

    Methods in which it is always 0 are left out.
    """
    curves = {name: [run.training.losses[loss] for run in runs] for name, runs in _by_name(results)}
    series = [Series(name, numbers[name], _smoothed(_mean_curve(runs))) for name, runs in curves.items()]
    taught = [line for line in series if any(y for _, y in line.points)]
    return _with_legend(taught, _STEP, Axis(title, low=0), height=240)


def coverage_curves(methods: Sequence[MethodResult], numbers: Mapping[str, int]) -> str:
    """How many of the errors the most uncertain voxels hold; the dots are the regions as they are flagged."""
    series = []
    for method in methods:
        curve = _mean_points([points(run.mean.get("coverage_curve")) for run in method.runs])
        flagged, caught = method.figure("flagged_share"), method.figure("error_coverage")
        marks = [] if flagged is None or caught is None else [(flagged, caught)]
        series.append(Series(method.method, numbers[method.method], curve, marks))
    return _with_legend([line for line in series if line.points or line.marks], _FLAGGED, _CAUGHT)


def uncertainty_curves(method: MethodResult) -> str:
    """The same for the other uncertainties of one method's model; empty if they were not measured."""
    series = []
    for number, name in enumerate(uncertainty_names(method)):
        curve = _mean_points([points(row.get("coverage_curve")) for row in _uncertainty_rows(method, name)])
        flagged, caught = (uncertainty_figure(method, name, key) for key in ("flagged_share", "error_coverage"))
        # A threshold that flags most of the volume would squeeze all lines to the left.
        shown = flagged is not None and caught is not None and flagged <= _MOST_FLAGGED
        series.append(Series(name, number, curve, [(flagged, caught)] if shown else []))  # type: ignore[list-item]
    return _with_legend([line for line in series if line.points or line.marks], _FLAGGED, _CAUGHT)


def uncertainty_names(method: MethodResult) -> list[str]:
    """The uncertainties that were measured on a method's models."""
    return list(dict.fromkeys(name for run in method.runs for name in run.mean.get("uncertainties") or {}))


def uncertainty_figure(method: MethodResult, name: str, key: str) -> float | None:
    """A figure of one of the uncertainties, mean over the seeds."""
    return mean([row.get(key) for row in _uncertainty_rows(method, name)])


def _uncertainty_rows(method: MethodResult, name: str) -> list[Mapping[str, Any]]:
    return [run.mean["uncertainties"][name] for run in method.runs if name in (run.mean.get("uncertainties") or {})]


def label_efficiency(methods: Sequence[MethodResult], numbers: Mapping[str, int]) -> str:
    """Mean Dice by number of labeled cases, with the spread over the seeds; empty for a single number."""
    if len({method.labeled for method in methods}) < 2:
        return ""
    series = []
    for name, group in groupby(
        sorted(methods, key=lambda method: numbers[method.method]), key=lambda method: method.method
    ):
        known = [(member.runs[0].run.label_count, member.figure(), member.figure_spread() or 0.0) for member in group]
        marks = sorted((count, dice, spread) for count, dice, spread in known if dice is not None)
        line = [(float(count), dice) for count, dice, _ in marks]
        series.append(Series(name, numbers[name], line, line, [spread for *_, spread in marks]))
    return _with_legend(series, Axis("labeled cases", low=0), _DICE)


def points(curve: Mapping[str, float | None] | None) -> list[Point]:
    """(flagged share, share of errors) of a curve as the evaluation writes it: {share as text: caught}."""
    return sorted((float(x), float(y)) for x, y in (curve or {}).items() if y is not None)


def upper_bounds_last(methods: Sequence[MethodResult]) -> list[MethodResult]:
    """The methods in their order, but the bound that knows all labels at the end."""
    return sorted(methods, key=lambda method: method.runs[0].run.variant.base == UPPER_BOUND)


def _by_name(results: Sequence[RunResult]) -> list[tuple[str, list[RunResult]]]:
    groups: dict[str, list[RunResult]] = {}
    for result in results:
        groups.setdefault(result.run.variant.name, []).append(result)
    return list(groups.items())


def _mean_curve(curves: Sequence[Curve]) -> list[Point]:
    return _mean_points([[(float(step), value) for step, value in curve] for curve in curves])


def _mean_points(curves: Sequence[Sequence[Point]]) -> list[Point]:
    """Mean of y over the curves, at the x that all of them have."""
    known = [dict(curve) for curve in curves if curve]
    if not known:
        return []
    shared = sorted(set(known[0]).intersection(*known[1:]))
    return [(x, float(np.mean([curve[x] for curve in known]))) for x in shared]


def _smoothed(curve: Sequence[Point]) -> list[Point]:
    parts = np.array_split(np.array(curve, dtype=float).reshape(-1, 2), min(_LOSS_BINS, max(len(curve), 1)))
    return [(float(x), float(y)) for x, y in (part.mean(axis=0) for part in parts if len(part))]


def _with_legend(series: Sequence[Series], x: Axis, y: Axis, height: int = 300) -> str:
    drawn = [line for line in series if line.points or line.marks]
    chart = line_chart(drawn, x, y, height)
    return chart and chart + legend(drawn)
