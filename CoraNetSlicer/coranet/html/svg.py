"""Charts as inline SVG: lines and dots with axes. Colours come from the page, so that they suit light and dark."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import cycle

# On a light page; the page's style may exchange them. Attributes, not style alone: some programs that print pages
# look at nothing else inside a picture.
COLORS = ("#0072b2", "#d55e00", "#00835f", "#b8508f", "#b07400", "#3a8fc4", "#6a3d9a", "#8c564b", "#6b6b6b", "#7d7300")
_DASHES = ("", "6 3", "2 3")
_WIDTH, _LEFT, _RIGHT, _TOP, _BOTTOM = 720, 58, 24, 12, 44
_LONGEST_NAME = 76
_LINE = 'class="line" fill="none" stroke="currentColor" stroke-width="1.8"'
_GRID = 'class="grid" fill="none" stroke="#d5dae0"'
_MIDDLE, _END = 'text-anchor="middle"', 'text-anchor="end"'

Point = tuple[float, float]


@dataclass(frozen=True)
class Series:
    """One line of a chart.

    Attributes:
        name: for the legend.
        number: chooses colour and dashes; the same method has the same number in every chart.
        points: (x, y) in order.
        marks: points that are drawn as large dots.
        spreads: half the height of an error bar at each of `marks`; empty: none.
    """

    name: str
    number: int
    points: Sequence[Point]
    marks: Sequence[Point] = ()
    spreads: Sequence[float] = ()


@dataclass(frozen=True)
class Axis:
    """An axis: its title, its limits (None: from the data) and how a value is written."""

    title: str
    low: float | None = None
    high: float | None = None
    shown: Callable[[float], str] = field(default=lambda value: f"{value:g}")


@dataclass(frozen=True)
class DotRow:
    """A row of a dot plot: a dot for each value, a bar at their mean."""

    name: str
    number: int
    values: Sequence[float]


def line_chart(series: Sequence[Series], x: Axis, y: Axis, height: int = 300) -> str:
    """Lines in one frame.

    Args:
        series: lines; those without points are left out.
        x: horizontal axis.
        y: vertical axis.
        height: in pixels; the width is that of the page.
    """
    points = [point for line in series for point in (*line.points, *line.marks, *_spread_ends(line))]
    if not points:
        return ""
    frame = _Frame(_limits(x, [px for px, _ in points]), _limits(y, [py for _, py in points]), height)
    lines = "".join(_line(line, frame) for line in series)
    return _svg(height, _axes(frame, x, y) + lines, f"{y.title} by {x.title}")


def dot_plot(rows: Sequence[DotRow], x: Axis) -> str:
    """A row of dots for each method, its name above it."""
    values = [value for row in rows for value in row.values]
    if not values:
        return ""
    row_height = 40
    height = _TOP + row_height * len(rows) + _BOTTOM
    frame = _Frame(_limits(x, values), (0.0, float(len(rows))), height, left=16)
    drawn = "".join(_dots(row, frame, _TOP + row_height * index) for index, row in enumerate(rows))
    return _svg(height, _x_axis(frame, x) + drawn, x.title)


def legend(series: Sequence[Series] | Sequence[DotRow]) -> str:
    """Names with their colours, as HTML that wraps by itself."""
    items = "".join(
        f'<li><svg class="swatch" viewBox="0 0 28 10" width="28" height="10" aria-hidden="true">'
        f'<path {_LINE} {_color(line.number)}{_dash(line.number)} d="M1 5H27"/></svg> {breakable(line.name)}</li>'
        for line in series
    )
    return f'<ul class="legend">{items}</ul>'


def breakable(name: str) -> str:
    """The name of a method as HTML that may go on in the next line where a setting ends."""
    return "<wbr>".join(escape(part) for part in re.split(r"(?<=[;\[=])", name))


def ticks(low: float, high: float, count: int = 6) -> list[float]:
    """Round values between two limits, both included: steps of 1, 2 or 5 times a power of ten."""
    raw = (high - low) / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(index * step, 12) for index in range(first, last + 1)]


@dataclass(frozen=True)
class _Frame:
    """Where values lie on the picture, which is `_WIDTH` wide."""

    x_limits: Point
    y_limits: Point
    height: int
    left: int = _LEFT

    def x(self, value: float) -> float:
        low, high = self.x_limits
        return self.left + (value - low) / (high - low) * (_WIDTH - _RIGHT - self.left)

    def y(self, value: float) -> float:
        low, high = self.y_limits
        return self.height - _BOTTOM - (value - low) / (high - low) * (self.height - _BOTTOM - _TOP)

    @property
    def bottom(self) -> float:
        return self.height - _BOTTOM


def _limits(axis: Axis, values: Sequence[float]) -> Point:
    """Those of the axis, else round values around the data."""
    low = min(values) if axis.low is None else axis.low
    high = max(values) if axis.high is None else axis.high
    if high - low < 1e-9:
        low, high = low - (0.5 if axis.low is None else 0.0), high + 0.5
    step = ticks(low, high)
    width = step[1] - step[0] if len(step) > 1 else high - low
    low = math.floor(low / width + 1e-9) * width if axis.low is None else low
    high = math.ceil(high / width - 1e-9) * width if axis.high is None else high
    return low, high


def _spread_ends(series: Series) -> list[Point]:
    return [
        (x, y + sign * spread) for (x, y), spread in zip(series.marks, series.spreads, strict=False) for sign in (-1, 1)
    ]


def _line(series: Series, frame: _Frame) -> str:
    name = f"<title>{escape(series.name)}</title>"
    # A lone point makes no line.
    dots = series.marks if len(series.points) != 1 else (*series.marks, *series.points)
    parts = [name]
    if len(series.points) > 1:
        path = "L".join(f"{frame.x(x):.1f} {frame.y(y):.1f}" for x, y in series.points)
        parts.append(f'<path {_LINE}{_dash(series.number)} d="M{path}"/>')
    for (x, y), spread in zip(series.marks, series.spreads, strict=False):
        parts.append(f'<path {_LINE} d="M{frame.x(x):.1f} {frame.y(y - spread):.1f}V{frame.y(y + spread):.1f}"/>')
    parts += [f'<circle fill="currentColor" cx="{frame.x(x):.1f}" cy="{frame.y(y):.1f}" r="4"/>' for x, y in dots]
    return f"<g {_color(series.number)}>{''.join(parts)}</g>"


def _dots(row: DotRow, frame: _Frame, top: float) -> str:
    name = row.name if len(row.name) <= _LONGEST_NAME else f"{row.name[: _LONGEST_NAME - 1]}…"
    mean = sum(row.values) / len(row.values) if row.values else None
    center = top + 26
    dots = "".join(
        f'<circle fill="currentColor" fill-opacity="0.5" cx="{frame.x(value):.1f}" cy="{center + rise}" r="3.5"/>'
        # Dots of nearly the same value are drawn apart, in a zigzag of four.
        for value, rise in zip(sorted(row.values), cycle((-5.25, -1.75, 1.75, 5.25)), strict=False)
    )
    if mean is not None:
        dots += f'<path stroke="currentColor" stroke-width="3" d="M{frame.x(mean):.1f} {center - 11}v22"/>'
    return (
        f"<g {_color(row.number)}><title>{escape(row.name)}</title>"
        f'<text font-weight="600" x="{frame.left}" y="{top + 11:.1f}">{escape(name)}</text>{dots}</g>'
    )


def _axes(frame: _Frame, x: Axis, y: Axis) -> str:
    rows = "".join(
        f'<path {_GRID} d="M{frame.left} {frame.y(tick):.1f}H{_WIDTH - _RIGHT}"/>'
        f'<text {_END} x="{frame.left - 6}" y="{frame.y(tick) + 4:.1f}">{escape(y.shown(tick))}</text>'
        for tick in ticks(*frame.y_limits, count=5)
    )
    middle = (frame.bottom + _TOP) / 2
    title = f'<text {_MIDDLE} transform="translate(14 {middle:.1f}) rotate(-90)">{escape(y.title)}</text>'
    return rows + title + _x_axis(frame, x)


def _x_axis(frame: _Frame, x: Axis) -> str:
    marks = "".join(
        f'<path {_GRID} d="M{frame.x(tick):.1f} {_TOP}V{frame.bottom:.1f}"/>'
        f'<text {_MIDDLE} x="{frame.x(tick):.1f}" y="{frame.bottom + 16:.1f}">{escape(x.shown(tick))}</text>'
        for tick in ticks(*frame.x_limits)
    )
    middle = (frame.left + _WIDTH - _RIGHT) / 2
    return f'{marks}<text {_MIDDLE} x="{middle:.1f}" y="{frame.bottom + 36:.1f}">{escape(x.title)}</text>'


def _color(number: int) -> str:
    index = number % len(COLORS)
    return f'class="c{index}" color="{COLORS[index]}"'


def _dash(number: int) -> str:
    dashes = _DASHES[number // len(COLORS) % len(_DASHES)]
    return f' stroke-dasharray="{dashes}"' if dashes else ""


def _svg(height: float, content: str, description: str) -> str:
    return (
        f'<svg class="chart" viewBox="0 0 {_WIDTH} {height:g}" font-size="12" role="img" '
        f'aria-label="{escape(description)}">{content}</svg>'
    )
