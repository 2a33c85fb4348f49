"""What the forked processes do. Each function returns an exit code, as a command does."""

from __future__ import annotations

import sys

TRACEBACK = "Traceback (most recent call last)"


def do_job(folder: str, resume: bool) -> int:
    """What `coranet run` does with a job, with its last error on the terminal."""
    from coranet.command_line.cli import main

    return main(["run", folder, *(["--resume"] if resume else [])])


def command(args: list[str]) -> int:
    """The command line."""
    from coranet.command_line.cli import main

    return main(args)


def review(folder: str) -> int:
    """Answer each place of a segmented case, one after the other, slide the last one, and promote the case."""
    from synthetic_predictions import CASE_ID

    from coranet.contract import Choice, Job
    from CoraNetSlicerLib.core.case_volume import find_or_load_volume
    from CoraNetSlicerLib.core.context import SceneContext
    from CoraNetSlicerLib.review.result_loading import load_prediction
    from CoraNetSlicerLib.review.review_opening import open_review

    job, context = Job.open(folder), SceneContext.standalone()
    files = job.prediction(CASE_ID)
    volume = find_or_load_volume(context, job, job.read_datalist().cases[0])
    opened = open_review(context, load_prediction(context, files, volume), files)
    choices = (Choice.CONSERVATIVE, Choice.RADICAL, Choice.KEEP)
    *others, last = opened.regions.regions
    for region in others:
        opened.decide(region.number, choices[region.number % 3], "Ada")
    # Slides add up, and an earlier process may have made this one.
    opened.decide(last.number, None)
    opened.slide(last.center_ijk, 0.4, 5.0, last.number, "Ada")
    opened.promote(True)
    return 0


def import_only(modules: list[str]) -> int:
    """Import modules, for the server to have them."""
    import importlib

    for name in modules:
        importlib.import_module(name)
    return 0


def do_job_while_the_clock_is_set(folder: str, seconds: float) -> int:
    """`do_job` with a clock that somebody sets in the midst of it."""
    import time

    real, calls = time.time, [0]

    def stepped() -> float:
        calls[0] += 1
        return real() + (seconds if calls[0] > 12 else 0.0)

    time.time = stepped
    return do_job(folder, True)


def do_job_whose_folder_goes(folder: str, share: float, how: str = "deleted", other: str = "") -> int:
    """`do_job` whose folder somebody takes away at an operation, as (roughly) that share of those of a segmentation.

    Args:
        folder: of the job.
        share: 0 to 1.
        how: "deleted", "moved" (to its name with " moved" behind it), or "replaced" by `other`.
        other: folder of another job.
    """
    import os
    import shutil

    number, at = [0], 1 + int(30 * share)

    def take_away() -> None:
        if how == "moved":
            os.rename(folder, folder + " moved")
            return
        # Again where another thread has written meanwhile, as a person would.
        while os.path.exists(folder):
            shutil.rmtree(folder, ignore_errors=True)
        if how == "replaced":
            os.rename(other, folder)

    def hear(event: str, args: tuple) -> None:
        if event == "open" and isinstance(args[0], (str, os.PathLike)) and os.fspath(args[0]).startswith(folder):
            number[0] += 1
            if number[0] == at:
                take_away()

    sys.addaudithook(hear)
    return do_job(folder, True)
