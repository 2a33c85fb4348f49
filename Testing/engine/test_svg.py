"""Charts: where a value lies on the picture, and that nothing reaches over its edge."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

import pytest

from coranet.html.svg import Axis, DotRow, Series, breakable, dot_plot, legend, line_chart, ticks

X, Y = Axis("step", low=0), Axis("Dice")


def circles(svg: str) -> list[tuple[float, float]]:
    root = ElementTree.fromstring(svg)
    return [(float(circle.get("cx")), float(circle.get("cy"))) for circle in root.iter("circle")]


def path_points(svg: str) -> list[tuple[float, float]]:
    path = re.search(r'class="line"[^>]* d="M([^"]+)"', svg)[1]
    return [tuple(map(float, point.split())) for point in path.split("L")]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (0, 900, [0, 200, 400, 600, 800]),
        (0.81, 0.87, [0.81, 0.82, 0.83, 0.84, 0.85, 0.86, 0.87]),
        (-0.4, 0.4, [-0.4, -0.2, 0, 0.2, 0.4]),
        (0, 3e-7, [0, 5e-8, 1e-7, 1.5e-7, 2e-7, 2.5e-7, 3e-7]),
    ],
)
def test_marks_lie_at_round_values(low, high, expected):
    assert ticks(low, high) == pytest.approx(expected)


def test_points_lie_in_proportion_between_the_limits():
    svg = line_chart([Series("a", 0, [(0, 0.2), (50, 0.4), (100, 0.8)])], Axis("x", 0, 100), Axis("y", 0, 1))
    (x0, y0), (x1, y1), (x2, y2) = path_points(svg)
    assert x1 - x0 == pytest.approx(x2 - x1, abs=0.2)
    assert y0 - y1 == pytest.approx((y1 - y2) / 2, abs=0.2), "more is further up"


@pytest.mark.parametrize("values", [[0.8123, 0.9345], [5.0], [0.5, 0.5], [0.0, 0.0], [-3.0, 1e-9, 12345.0]])
def test_nothing_reaches_over_the_edge(values):
    points = [(float(index), value) for index, value in enumerate(values)]
    svg = line_chart([Series("a", 3, points, points, [0.1] * len(points))], X, Y)
    root = ElementTree.fromstring(svg)
    width, height = map(float, root.get("viewBox").split()[2:])
    for x, y in circles(svg):
        assert 4 <= x <= width - 4 and 4 <= y <= height - 4
    for text in root.iter("text"):
        if text.get("x") and text.get("text-anchor") == "middle":
            half = 3.5 * len(text.text)
            assert half <= float(text.get("x")) <= width - half, text.text


def test_numbers_beside_the_axis_have_room():
    svg = line_chart([Series("a", 0, [(0, -1234.5), (1, 1234.5)])], X, Y)
    for text in ElementTree.fromstring(svg).iter("text"):
        if text.get("text-anchor") == "end":
            assert float(text.get("x")) >= 7 * len(text.text)


def test_a_lone_point_is_a_dot_and_no_points_are_no_picture():
    assert len(circles(line_chart([Series("a", 0, [(10, 0.5)])], X, Y))) == 1
    assert line_chart([Series("a", 0, [])], X, Y) == ""
    assert dot_plot([DotRow("a", 0, [])], Y) == ""


def test_a_row_of_dots_with_their_mean_and_the_name_above():
    svg = dot_plot([DotRow("first", 0, [0.8, 0.9, 0.7]), DotRow("second", 1, [0.75])], Y)
    root = ElementTree.fromstring(svg)
    assert [text.text for text in root.iter("text") if text.get("font-weight")] == ["first", "second"]
    (a, b, c), mean = circles(svg)[:3], float(re.search(r'stroke-width="3" d="M([\d.]+)', svg)[1])
    assert a[0] < b[0] < c[0] and mean == pytest.approx(b[0], abs=0.1)
    heights = [float(text.get("y")) for text in root.iter("text") if text.get("font-weight")]
    assert heights[0] < min(y for _, y in circles(svg)[:3]) and heights[1] < circles(svg)[3][1]


def test_a_long_name_is_cut_in_the_picture_and_whole_when_pointed_at():
    name = "coranet[" + "training.certain_weight=1;" * 8 + "]"
    root = ElementTree.fromstring(dot_plot([DotRow(name, 0, [0.5, 0.6])], Y))
    shown = next(text.text for text in root.iter("text") if text.get("font-weight"))
    assert shown.endswith("…") and len(shown) * 8 < 720
    assert next(root.iter("title")).text == name


def test_names_cannot_break_the_page():
    svg = line_chart([Series('<b> & "c"', 0, [(0, 1), (1, 2)])], X, Axis("a < b"))
    assert next(ElementTree.fromstring(svg).iter("title")).text == '<b> & "c"'
    assert "&lt;b&gt;" in legend([DotRow("<b>", 0, [1.0])])
    assert breakable("a[b=<1;c]") == "a[<wbr>b=<wbr>&lt;1;<wbr>c]"


def test_more_methods_than_colours_are_told_apart_by_dashes():
    items = [legend([DotRow("a", number, [1.0])]) for number in (0, 10, 20)]
    assert len(set(items)) == 3 and all("c0" in item for item in items)
