"""The command ``coranet regions``: its words, and its way from results to regions."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ..contract.config import SegmentConfig

if TYPE_CHECKING:
    from ..contract import RegionList

# As many regions of a case are listed on the terminal; all are in the file.
_MOST_LISTED = 5


def add_regions_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the words of ``regions`` to the command line."""
    parser = commands.add_parser(
        "regions", help="find the places of results to review, those with the largest expected error first"
    )
    parser.add_argument("prediction", help="folder of a segmentation job, of one of its cases, or of several")
    parser.add_argument("--caution", type=float, metavar="T", help="move the results to another caution first")
    parser.add_argument("--smallest-ml", type=float, metavar="ML", help="least uncertain volume of a place")
    parser.set_defaults(command=regions)


def regions(options: argparse.Namespace) -> int:
    """Find the regions of all complete cases in a folder.

    Returns:
        Exit code: 0.

    Raises:
        ConfigError: a number cannot be used.
        JobError, DataError, StorageError: a case cannot be read or written.
    """
    from .files import find_predictions, make_regions
    from .places import PlaceRule

    if options.caution is not None:
        # The same limits as for a segmentation.
        SegmentConfig().with_overrides({"inference.caution": options.caution})
    rule = PlaceRule(least_ml=options.smallest_ml)
    for files in find_predictions(options.prediction):
        found = make_regions(files, options.caution, rule)
        names = {label["value"]: label["name"] for label in files.read_result()["labels"]}
        sys.stdout.write(_listing(found, files.regions, names))
    return 0


def _listing(found: RegionList, path: Path, names: dict[int, str]) -> str:
    count = len(found.regions)
    lines = [
        f"{found.case}: {count} {'place' if count == 1 else 'places'}, {found.uncertain_ml:.3g} mL uncertain "
        f"at the caution {found.caution:.3g}, in '{path}'"
    ]
    for region in found.regions[:_MOST_LISTED]:
        classes = " or ".join(names.get(value, str(value)) for value in region.label_values)
        where = f", {region.where}" if region.where else ""
        lines.append(f"  {region.number}: {classes}{where}, {region.expected_wrong_ml:.3g} mL expected to be wrong")
    left_ml = found.expected_left_ml([region.number for region in found.regions])
    if left_ml is not None:
        lines.append(f"  expected to be wrong elsewhere: {left_ml:.3g} mL")
    return "".join(f"{line}\n" for line in lines)
