"""Runs of programs as a table: mean over cases, then classes, then seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from coranet_experiments.statistics import mean, spread

Row = dict[str, Any]
FIGURES = ("dice", "hd95_mm")


def summary(rows: Sequence[Row]) -> list[Row]:
    """A row for each program.

    Args:
        rows: of runs: program, seed, cases {name: {dice: {class: value}, hd95_mm: {class: value}}}, training and
            predicting {seconds, processor_seconds, peak_mib}, told {steps, ...}.

    Returns:
        program; seeds; dice and hd95_mm, each with _sd over the seeds and _of_classes; seconds, steps and peak of a
        training; seconds a case and peak of predicting. None where a figure is not defined.
    """
    programs = dict.fromkeys(row["program"] for row in rows)
    return [_of_program(program, [row for row in rows if row["program"] == program]) for program in programs]


def class_means(row: Row, figure: str) -> dict[str, float | None]:
    """Class -> mean over the cases in which it is defined."""
    cases = list(row["cases"].values())
    return {name: mean([case[figure][name] for case in cases]) for name in (cases[0][figure] if cases else ())}


def _of_program(program: str, rows: Sequence[Row]) -> Row:
    result: Row = {"program": program, "seeds": [row["seed"] for row in rows]}
    for figure in FIGURES:
        by_class = [class_means(row, figure) for row in rows]
        by_seed = [mean(list(dice.values())) for dice in by_class]
        result |= {figure: mean(by_seed), f"{figure}_sd": spread(by_seed)}
        result[f"{figure}_of_classes"] = {name: mean([dice[name] for dice in by_class]) for name in by_class[0]}
    training, predicting = [row["training"] for row in rows], [row["predicting"] for row in rows]
    result["training_seconds"] = mean([cost["seconds"] for cost in training])
    result["training_peak_mib"] = max(cost["peak_mib"] for cost in training)
    result["steps"] = mean([row["told"].get("steps") for row in rows])
    result["seconds_a_case"] = mean([row["predicting"]["seconds"] / max(len(row["cases"]), 1) for row in rows])
    result["predicting_peak_mib"] = max(cost["peak_mib"] for cost in predicting)
    return result


def markdown(rows: Sequence[Row], name: str, time: str) -> str:
    """The table for people."""
    classes = list(rows[0]["dice_of_classes"]) if rows else []
    of_classes = classes if len(classes) > 1 else []
    head = [
        "set", "time", "program", "seeds", "Dice", *(f"Dice, {name}" for name in of_classes), "HD95, mm",
        "training, s", "steps", "peak, GiB", "segmenting, s a case", "peak, GiB",
    ]  # fmt: skip
    lines = [head, ["---"] * len(head)]
    for row in rows:
        shown_classes = [shown(row["dice_of_classes"][name]) for name in of_classes]
        lines.append([
            name, time, row["program"], str(len(row["seeds"])), with_spread(row, "dice", 3), *shown_classes,
            with_spread(row, "hd95_mm", 1), shown(row["training_seconds"], 0), shown(row["steps"], 0),
            gib(row["training_peak_mib"]), shown(row["seconds_a_case"], 1), gib(row["predicting_peak_mib"]),
        ])  # fmt: skip
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def with_spread(row: Mapping[str, Any], figure: str, digits: int) -> str:
    """A mean, and its standard deviation over the seeds where there are several."""
    sd = row[f"{figure}_sd"]
    return shown(row[figure], digits) + ("" if sd is None else f" ± {sd:.{digits}f}")


def shown(value: float | None, digits: int = 3) -> str:
    """A number, or a dash where there is none."""
    return "-" if value is None else f"{value:,.{digits}f}"


def gib(mib: float) -> str:
    """Memory for people."""
    return f"{mib / 1024:.1f}"
