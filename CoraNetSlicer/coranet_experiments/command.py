"""The command ``coranet experiment``: its words, and its way from a datalist to a report."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from coranet.command_line.overrides import overrides
from coranet.contract.config import DEFAULT_PRESET, preset_names
from coranet.contract.errors import ConfigError

from .parts import PARTS, TEST

if TYPE_CHECKING:
    from .plan import Question, Run
    from .runner import Failure, RunnerContext

RESULTS, SUMMARY, SUMMARY_DATA, REPORT = "results.csv", "summary.csv", "summary.json", "report.html"


def add_experiment_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the words of ``experiment`` to the command line; its `command` is `experiment`."""
    parser = commands.add_parser("experiment", help="compare methods on your data under equal conditions")
    parser.add_argument("datalist", help="dataset.json with training, unlabeled, test and labels")
    parser.add_argument(
        "--methods", required=True, metavar="a,b,...",
        help="for example supervised,mean_teacher,coranet,coranet[training.certain_weight=1]",
    )  # fmt: skip
    parser.add_argument("--seeds", default="0", metavar="0,1,...", help="default 0")
    parser.add_argument("--output", required=True, metavar="DIR", help="folder for runs, tables and report")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="runs at the same time; default 1")
    parser.add_argument("--preset", default=DEFAULT_PRESET, help=f"one of {', '.join(preset_names())}, or a JSON file")
    parser.add_argument(
        "--time",
        metavar="T",
        help="how long CoraNet may train, such as '20 min'; all methods take over its plan and steps",
    )
    parser.add_argument("--set", action="append", default=[], metavar="key=value", help="a setting of every run")
    parser.add_argument(
        "--labeled", default="all", metavar="N,...", help="labeled cases to keep, or 'all'; default all"
    )
    parser.add_argument("--truth", metavar="FOLDER", help="labels of the unlabeled cases, for fully_supervised")
    parser.add_argument(
        "--part", choices=PARTS, default=TEST, help="measure on the test cases, or, to choose settings, on the "
        "even-numbered unlabeled cases ('development'), with labels from --truth that no training sees; default test",
    )  # fmt: skip
    parser.add_argument(
        "--compare-uncertainties",
        action="store_true",
        help="also measure softmax, dropout, test-time augmentation and chance",
    )
    parser.set_defaults(command=experiment)


def experiment(options: argparse.Namespace, context: RunnerContext | None = None) -> int:
    """Train every method, then test every model, then write the tables and the report.

    The test cases are touched once, when all trainings are over. The same command goes on where an earlier one ended.

    Args:
        options: words of the command line.
        context: how processes are started; None: as subprocesses, reported on the standard error.

    Returns:
        Exit code: 0 if all runs are complete, 1 if some failed; the others are in the report.

    Raises:
        CoraNetError: the words cannot be used.
        JobCancelled: Ctrl-C.
    """
    from coranet.job_process.child_process import start_on_job

    from .plan import plan_runs
    from .runner import RunnerContext

    question = _question(options)
    runs = plan_runs(question)
    context = context or RunnerContext(start_on_job, lambda line: sys.stderr.write(f"{line}\n"))
    failures = _work(runs, options.jobs, context)
    _write(runs, question, _command_line(options))
    context.report(f"the report is in '{question.folder / REPORT}'.")
    if failures:
        first = failures[0]
        context.report(f"error: {len(failures)} of {len(runs)} runs failed; {first.name}: {first.message}")
    return 1 if failures else 0


def _work(runs: Sequence[Run], at_once: int, context: RunnerContext) -> list[Failure]:
    from coranet.contract import JobStatus

    from .runner import Task, run_tasks

    # All are made before one starts, so that errors come at once, not after hours.
    jobs = [run.training() for run in runs]
    trainings = [Task(f"training {run.name}", job, run.planned_by) for run, job in zip(runs, jobs, strict=True)]
    tests = [Task(f"test {run.name}", run.test()) for run in runs]
    failures = run_tasks(trainings, at_once, context)
    trained = [
        test for training, test in zip(trainings, tests, strict=True) if training.job.status() is JobStatus.FINISHED
    ]
    return failures + run_tasks(trained, at_once, context)


def _write(runs: Sequence[Run], question: Question, command: Sequence[str]) -> None:
    from .report import write_report
    from .results import by_method, read_results
    from .tables import write_results, write_summary

    results = read_results(runs)
    methods = by_method(results)
    write_results(question.folder / RESULTS, results)
    write_summary(question.folder / SUMMARY, question.folder / SUMMARY_DATA, methods)
    write_report(question.folder / REPORT, results, methods, shlex.join(command))


def _question(options: argparse.Namespace) -> Question:
    from coranet.contract import find_cases
    from coranet.data.series import divided_series
    from coranet.reporting import Reporter

    from .plan import UPPER_BOUND, Question, read_variants

    if options.jobs < 1:
        raise ConfigError(f"--jobs expects a number of at least 1, got {options.jobs}; correct it.")
    variants = read_variants(options.methods)
    if not variants:
        raise ConfigError("--methods names no method; expected for example supervised,coranet.")
    if options.truth and options.part == TEST and all(variant.base != UPPER_BOUND for variant in variants):
        raise ConfigError(
            f"--truth has no effect without {UPPER_BOUND} among --methods or --part development; leave it out."
        )
    chosen = overrides(options.set)
    if options.time and "time" in chosen:
        raise ConfigError("--time and --set time mean the same; leave one of them out.")
    divided = divided_series(find_cases(options.datalist), Reporter(lambda event: None, lambda: False))
    for sentence in divided.sentences:
        sys.stderr.write(f"{sentence}\n")
    return Question(
        datalist=divided.datalist,
        variants=variants,
        seeds=[_whole_number("--seeds", word) for word in _distinct("--seeds", options.seeds)],
        labeled=[
            None if word == "all" else _whole_number("--labeled", word)
            for word in _distinct("--labeled", options.labeled)
        ],
        folder=Path(options.output).absolute(),
        preset=options.preset,
        overrides={**chosen, **({"time": options.time} if options.time else {})},
        truth=options.truth,
        part=options.part,
        compare_uncertainties=options.compare_uncertainties,
        threads=None if options.jobs == 1 else max(1, (os.cpu_count() or 1) // options.jobs),
    )


def _distinct(option: str, text: str) -> list[str]:
    parts = [word.strip() for word in text.split(",") if word.strip()]
    if not parts or len(set(parts)) < len(parts):
        raise ConfigError(f"{option} expects different values with commas between them, got '{text}'; correct them.")
    return parts


def _whole_number(option: str, word: str) -> int:
    if not word.isdecimal():
        raise ConfigError(f"{option} expects whole numbers with commas between them, got '{word}'; correct them.")
    return int(word)


def _command_line(options: argparse.Namespace) -> list[str]:
    """The command as it can be typed again."""
    args = ["coranet", "experiment", options.datalist, "--methods", options.methods, "--seeds", options.seeds]
    args += ["--labeled", options.labeled] if options.labeled != "all" else []
    args += ["--preset", options.preset] if options.preset != DEFAULT_PRESET else []
    args += ["--time", options.time] if options.time else []
    args += [word for pair in options.set for word in ("--set", pair)]
    args += ["--truth", options.truth] if options.truth else []
    args += ["--part", options.part] if options.part != TEST else []
    args += ["--compare-uncertainties"] if options.compare_uncertainties else []
    args += ["--jobs", str(options.jobs)] if options.jobs != 1 else []
    return [*args, "--output", options.output]
