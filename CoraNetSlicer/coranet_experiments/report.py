"""The report of an experiment: one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from coranet.contract import Role
from coranet.contract.config import TrainConfig
from coranet.contract.events import duration
from coranet.contract.files import write_text_atomic
from coranet.html.page import figure, opening, page, section, table
from coranet.html.png import data_uri
from coranet.html.slices import CLASS_COLORS, UNCERTAIN_COLOR
from coranet.html.svg import breakable

from . import figures
from .pictures import region_pictures
from .results import MethodResult, RunResult
from .statistics import Interval

_LOSSES = (
    ("total", "Loss"), ("supervised", "Supervised loss"), ("certain", "Loss in the certain region"),
    ("uncertain", "Loss in the uncertain region"), ("uncertain_share", "Uncertain share of unlabeled voxels"),
)  # fmt: skip


def write_report(path: Path, results: Sequence[RunResult], methods: Sequence[MethodResult], command: str) -> None:
    """Write the report.

    Args:
        path: HTML file, UTF-8.
        results: all runs, also those that were not tested.
        methods: the tested ones by method.
        command: what a person types to run it again.

    Raises:
        StorageError: the file cannot be written.
    """
    methods = figures.upper_bounds_last(methods)
    sections = [
        _head(results, command),
        *(_comparison(methods, labeled) for labeled in _labeled_counts(methods)),
        *_charts(results, methods),
        section("The uncertain region through training", *(_pictures(result) for result in _first_seeds(results))),
        section("What else was told", _incomplete(results), _warnings(results)),
    ]
    write_text_atomic(path, page("CoraNet: comparison of methods", [part for part in sections if part]))


def _head(results: Sequence[RunResult], command: str) -> str:
    first = results[0]
    config = first.run.train_config
    rows = {
        "command": f"<code>{escape(command)}</code>",
        "preset": escape(f"{config.preset}, {_steps(config)}"),
        "seeds": escape(_listed(str(result.run.seed) for result in results)),
        "device": escape(_listed(result.training.device for result in results)),
        "CoraNet": escape(_listed(result.training.version for result in results)),
        "cases": escape(_cases(results)),
        "classes": escape(", ".join(first.class_names)),
    }
    note = (
        "Same cases, network, augmentation, number of steps and seeds for every method. The test cases chose nothing: "
        "they were touched once, after all trainings."
    )
    return opening("Comparison of methods", note, rows)


def _steps(config: TrainConfig) -> str:
    training = config.training
    total = training.pretraining_steps + training.self_training_steps
    return f"{total} steps ({training.pretraining_steps} of them on labeled cases alone)"


def _cases(results: Sequence[RunResult]) -> str:
    first = results[0].run
    labeled = " / ".join(dict.fromkeys(str(result.run.label_count) for result in results))
    validation = " / ".join(dict.fromkeys(str(_count(result, Role.VALIDATION)) for result in results))
    unlabeled = max(_count(result, Role.UNLABELED) for result in results)
    return f"{labeled} labeled; {validation} for validation; {unlabeled} unlabeled; {len(first.test_cases.cases)} test"


def _count(result: RunResult, role: Role) -> int:
    return len(result.run.train_cases.with_role(role))


def _comparison(methods: Sequence[MethodResult], labeled: int | None) -> str:
    chosen = [method for method in methods if method.labeled == labeled]
    names = chosen[0].runs[0].class_names
    shown_classes = names if len(names) > 1 else ()
    head = [
        "method", "mean Dice", *shown_classes, "HD95, mm", "gain over supervised", "distance closed",
        "errors caught", "flagged", "CSI", "training",
    ]  # fmt: skip
    rows = [_row(method, shown_classes) for method in chosen]
    title = "Results" if labeled is None else f"Results with {labeled} labeled cases"
    seeds = max(len(method.runs) for method in chosen)
    note = (
        f"<p class=soft>Mean{' ± standard deviation' if seeds > 1 else ''} over {seeds} "
        f"{'seeds' if seeds > 1 else 'seed'}; the gain over supervised-only is paired by case and seed, in "
        "brackets its 95 % bootstrap interval over the cases; distance closed: 0 % supervised-only, 100 % fully "
        "supervised; errors caught: share of the wrong voxels inside the flagged region. The best method that knows "
        "no label of an unlabeled case is set off.</p>"
    )
    return section(title, table(head, rows, _best(chosen)), note)


def _row(method: MethodResult, class_names: Sequence[str]) -> list[str]:
    return [
        breakable(method.method),
        _shown(method.figure(), method.figure_spread()),
        *(_shown(method.class_figure(name)) for name in class_names),
        _shown(method.figure("hd95_mm"), method.figure_spread("hd95_mm"), 1),
        _difference(method.difference),
        _percent(method.closed, 0),
        _percent(method.figure("error_coverage")),
        _percent(method.figure("flagged_share")),
        _shown(method.figure("csi"), method.figure_spread("csi")),
        escape(duration(method.seconds() or 0.0)),
    ]


def _best(methods: Sequence[MethodResult]) -> list[int]:
    known = [
        (dice, index)
        for index, method in enumerate(methods)
        if (dice := method.figure()) is not None and method.runs[0].run.variant.base != "fully_supervised"
    ]
    return [max(known, key=lambda pair: pair[0])[1]] if len(known) > 1 else []


def _charts(results: Sequence[RunResult], methods: Sequence[MethodResult]) -> list[str]:
    numbers = figures.numbers_of(results)
    counts = _labeled_counts(methods)
    dice = [
        figure(
            figures.dice_by_case([method for method in methods if method.labeled == labeled], numbers),
            "A dot is a test case (mean over classes and seeds), the bar their mean.", _for_labeled(labeled, counts),
        )
        for labeled in counts
    ]  # fmt: skip
    curves = [
        part
        for labeled in dict.fromkeys(result.run.labeled for result in results)
        for part in _curves(results, labeled)
    ]
    return [
        section("Dice by case", *dice),
        section(
            "Label efficiency",
            figure(figures.label_efficiency(methods, numbers), "Mean over the seeds; bars: their standard deviation."),
        ),
        section("Where the errors are", *_coverage(methods, counts)),
        section("Training", *curves),
    ]


def _curves(results: Sequence[RunResult], labeled: int | None) -> list[str]:
    numbers = figures.numbers_of(results)
    chosen = [result for result in results if result.run.labeled == labeled]
    suffix = "" if labeled is None else f" ({labeled} labeled cases)"
    validation = figure(
        figures.validation_curves(chosen, numbers), "Mean over the classes and the seeds.", f"Validation Dice{suffix}"
    )
    losses = [
        figure(
            figures.loss_curves(chosen, numbers, name, "share" if name == "uncertain_share" else "loss"),
            "Mean over the seeds, smoothed.", f"{title}{suffix}",
        )
        for name, title in _LOSSES
    ]  # fmt: skip
    return [validation, *losses]


def _coverage(methods: Sequence[MethodResult], counts: Sequence[int | None]) -> list[str]:
    numbers = {name: number for number, name in enumerate(dict.fromkeys(method.method for method in methods))}
    parts = []
    for labeled in counts:
        chosen = [method for method in methods if method.labeled == labeled]
        by_method = figures.coverage_curves(chosen, numbers)
        caption = "Lines: the most uncertain voxels, flagged first. Dots: the region that each model flags by itself."
        parts.append(figure(by_method, caption, _for_labeled(labeled, counts)))
        for method in chosen:
            if not _is_coranet(method.runs[0]):
                continue
            title = ", ".join(filter(None, (f"Other uncertainties of {method.method}", _for_labeled(labeled, counts))))
            caption = "All on the same model and test cases. Dots: as many voxels flagged as CoraNet's region, or "
            caption += "those below a softmax threshold (regions of more than 25 %: in the table alone)."
            parts.append(figure(figures.uncertainty_curves(method), caption, title))
            parts.append(_uncertainties(method))
    return parts


def _uncertainties(method: MethodResult) -> str:
    names = figures.uncertainty_names(method)
    rows = [
        [
            escape(name),
            _shown(figures.uncertainty_figure(method, name, "csi")),
            *(
                _percent(figures.uncertainty_figure(method, name, key))
                for key in ("error_coverage", "flagged_share", "covered_at_5_percent")
            ),
        ]
        for name in names
    ]
    head = ("uncertainty", "CSI", "errors caught", "flagged", "caught when 5 % are flagged")
    return table(head, rows) if rows else ""


def _pictures(result: RunResult) -> str:
    shown = region_pictures(result)
    pictures = "".join(
        f'<div><img src="{data_uri(picture.pixels)}" alt="regions at step {picture.step}">step {picture.step}, '
        f"{_percent(picture.uncertain_share)} uncertain</div>"
        for picture in shown
    )
    colors = zip(
        (*result.class_names, "uncertain"), (*_class_colors(len(result.class_names)), UNCERTAIN_COLOR), strict=True
    )
    keys = "".join(
        f'<li><span class="key" style="background: rgb{color}"></span> {escape(name)}</li>' for name, color in colors
    )
    strip = f'<ul class="legend keys">{keys}</ul><div class="strip">{pictures}</div>' if pictures else ""
    case = result.training.snapshots[-1].case if result.training.snapshots else ""
    return figure(strip, f"Unlabeled case {case}: certain regions by class, and the uncertain region.", result.run.name)


def _class_colors(count: int) -> list[tuple[int, int, int]]:
    return [CLASS_COLORS[index % len(CLASS_COLORS)] for index in range(count)]


def _is_coranet(result: RunResult) -> bool:
    return result.run.train_config.training.method == "coranet"


def _first_seeds(results: Sequence[RunResult]) -> list[RunResult]:
    return [result for result in results if result.run.seed == results[0].run.seed and _is_coranet(result)]


def _incomplete(results: Sequence[RunResult]) -> str:
    names = [escape(result.run.name) for result in results if not result.cases]
    items = "".join(f"<li>{name}</li>" for name in names)
    return f"<p>These runs are not complete; the same command resumes them:</p><ul>{items}</ul>" if names else ""


def _warnings(results: Sequence[RunResult]) -> str:
    runs: dict[str, list[str]] = {}
    for result in results:
        for message in result.training.warnings:
            runs.setdefault(message, []).append(result.run.name)
    items = "".join(
        f"<li>{escape(message)} <span class=soft>({escape('; '.join(names[:4]))}"
        f"{f' and {len(names) - 4} more' if len(names) > 4 else ''})</span></li>"
        for message, names in runs.items()
    )
    return f"<p>Warnings:</p><ul>{items}</ul>" if items else ""


def _labeled_counts(methods: Sequence[MethodResult]) -> list[int | None]:
    return list(dict.fromkeys(method.labeled for method in methods))


def _for_labeled(labeled: int | None, counts: Sequence[int | None]) -> str:
    if len(counts) < 2:
        return ""
    return "all labeled cases" if labeled is None else f"{labeled} labeled cases"


def _listed(values: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(value for value in values if value)) or "-"


def _shown(value: float | None, deviation: float | None = None, digits: int = 3) -> str:
    if value is None:
        return "-"
    return f"{value:.{digits}f}" + ("" if deviation is None else f" <small>± {deviation:.{digits}f}</small>")


def _percent(value: float | None, digits: int = 1) -> str:
    return "-" if value is None else f"{100 * value:.{digits}f} %"


def _difference(difference: Interval | None) -> str:
    if difference is None:
        return "-"
    if difference.low is None or difference.high is None:
        return f"{difference.mean:+.3f}"
    return f"{difference.mean:+.3f} <small>[{difference.low:+.3f}, {difference.high:+.3f}]</small>"
