"""The command ``coranet report``: its words, and its way from results to a page."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..contract.errors import ConfigError, DataError

PAGE, TABLE = "report.html", "report.csv"


def add_report_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the words of ``report`` to the command line."""
    parser = commands.add_parser("report", help="results at a glance: volumes, ranking, the most uncertain places")
    parser.add_argument("folder", help="folder of a segmentation job, of one of its cases, or of several")
    parser.add_argument("--output", metavar="DIR", help=f"where {PAGE} and {TABLE} are written; default: the folder")
    parser.add_argument("--regions", type=int, default=3, metavar="N", help="pictures of each case; default 3")
    parser.add_argument("--cases", type=int, default=25, metavar="N", help="cases with pictures; default 25")
    parser.set_defaults(command=report)


def report(options: argparse.Namespace) -> int:
    """Write the report on all complete cases in a folder.

    Returns:
        Exit code: 0.

    Raises:
        ConfigError: a number cannot be used.
        JobError, DataError, StorageError: a case cannot be read (the report has the others), or the report cannot be
            written.
    """
    from ..regions.files import find_predictions
    from .report import write_page
    from .reported_case import PictureCounts, reported_cases
    from .table import write_table

    for name in ("regions", "cases"):
        if getattr(options, name) < 0:
            raise ConfigError(f"--{name} expects a number of at least 0, got {getattr(options, name)}; correct it.")
    folder = Path(options.folder).absolute()
    reported = reported_cases(find_predictions(folder), PictureCounts(options.regions, options.cases))
    output = Path(options.output).absolute() if options.output else folder
    write_table(output / TABLE, reported.cases)
    write_page(output / PAGE, reported, str(folder))
    sys.stdout.write(f"{output / PAGE}\n")
    if reported.unreadable:
        reasons = " ".join(reported.unreadable.values())
        count = len(reported.unreadable)
        left_out = "1 result is" if count == 1 else f"{count} results are"
        raise DataError(f"{left_out} damaged and not in the report: {reasons}")
    return 0
