"""On which cases methods are compared: the test cases, or a development part by which recipes may be chosen.

The command line names the parts in its help, which works where numpy does not: what reads cases is imported late.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from coranet.contract import Case, Datalist, Role, image_name
from coranet.contract.errors import ConfigError, DataError

TEST, DEVELOPMENT = "test", "development"
PARTS = (TEST, DEVELOPMENT)


def cases_of_part(datalist: Datalist, part: str, truth: str | Path | None) -> tuple[Case, ...]:
    """The cases of a part, each with the role test and its label.

    Args:
        datalist: all cases.
        part: ``test``, or ``development``: the even-numbered unlabeled cases, with labels that no training sees.
        truth: folder with the label maps of the unlabeled cases; needed for ``development`` alone.

    Raises:
        ConfigError: there is no such part, or the labels for it are missing.
        DataError: the part has no case, or an unlabeled case has no number in its name or no label in `truth`.
    """
    if part not in PARTS:
        raise ConfigError(f"there is no part '{part}' to measure on; choose one of {', '.join(PARTS)}.")
    from coranet.data.datalist import with_true_labels

    if part == TEST:
        cases = datalist.with_role(Role.TEST)
    elif truth is None:
        raise ConfigError(
            "the development part needs the labels of the unlabeled cases; give their folder with --truth."
        )
    else:
        unlabeled = tuple(case for case in datalist.with_role(Role.UNLABELED) if is_even_numbered(case))
        labeled = with_true_labels(replace(datalist, cases=unlabeled), truth).cases
        cases = tuple(replace(case, role=Role.TEST) for case in labeled)
    if not cases:
        raise DataError(f"the datalist has no '{part}' case with a label, on which to compare the methods; add some.")
    return cases


def is_even_numbered(case: Case) -> bool:
    """Whether the last number in the name of a case's image is even.

    Raises:
        DataError: there is no number in it.
    """
    numbers = re.findall(r"\d+", image_name(case.image))
    if not numbers:
        raise DataError(
            f"'{case.image}' has no number in its name, expected one such as image012; the development part is the "
            "cases with even numbers."
        )
    return int(numbers[-1]) % 2 == 0
