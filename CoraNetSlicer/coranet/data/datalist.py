"""Which cases a training works on: set aside for validation, left out, or labeled after all."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..contract import Case, Datalist, Role, find_images, image_name
from ..contract.errors import DataError

_ENOUGH_TO_VALIDATE = 20


def with_validation_cases(
    datalist: Datalist, count: int | None, seed: int, never_aside: Collection[str] = ()
) -> Datalist:  # fmt: skip
    """Set labeled cases aside for validation where the list names none.

    Args:
        datalist: all cases.
        count: how many; None: a tenth of the labeled ones, none if there are fewer than 20. Labels that are known in
            part are not counted and never set aside: nothing can be measured on them.
        seed: chooses which.
        never_aside: names of cases that are not counted and not set aside either: those without a structure, which have
            no Dice, and those whose scan another case has, too. To count false alarms, name cases for validation.

    Raises:
        DataError: there are not as many, or no labeled case would be left to learn from.
    """
    known = [case for case in datalist.with_role(Role.TRAINING) if not case.is_partial]
    labeled = [case for case in known if case.id not in never_aside]
    partial = len(datalist.with_role(Role.TRAINING)) - len(known)
    if datalist.with_role(Role.VALIDATION):
        return datalist
    if count is None:
        # Two of ten cases are worth more for training: with so few, their Dice cannot rank steps.
        count = round(len(labeled) / 10) if len(labeled) >= _ENOUGH_TO_VALIDATE else 0
    if count > len(labeled) and partial:
        raise DataError(
            f"{count} validation cases are requested, but only {len(labeled)} cases have a label that is known "
            "everywhere; label more cases or lower data.validation_cases."
        )
    if count >= len(labeled) + partial > 0:
        raise DataError(
            f"{count} validation cases leave none of the {len(labeled)} labeled cases to learn from; "
            "label more cases or lower data.validation_cases."
        )
    chosen = {labeled[index].id for index in np.random.default_rng(seed).permutation(len(labeled))[:count]}
    cases = tuple(replace(case, role=Role.VALIDATION) if case.id in chosen else case for case in datalist.cases)
    return replace(datalist, cases=cases)


def with_labeled_cases(datalist: Datalist, count: int, seed: int) -> Datalist:
    """Keep some of the labeled cases and leave out the others altogether, to see what fewer labels are worth.

    Args:
        datalist: all cases; those named for validation stay.
        count: how many labeled cases to keep; of two counts, the smaller one's cases are among the larger one's.
        seed: chooses which.

    Raises:
        DataError: there are not as many.
    """
    labeled = datalist.with_role(Role.TRAINING)
    if not 1 <= count <= len(labeled):
        raise DataError(
            f"the datalist has {len(labeled)} labeled cases, so 1 to {len(labeled)} can be kept, not {count}; correct "
            "it."
        )
    chosen = {labeled[index].id for index in np.random.default_rng(seed).permutation(len(labeled))[:count]}
    return replace(datalist, cases=tuple(c for c in datalist.cases if c.role is not Role.TRAINING or c.id in chosen))


def with_true_labels(datalist: Datalist, folder: str | Path) -> Datalist:
    """Make the cases that are unlabeled, or so in part, labeled ones, for the training that knows every label.

    Args:
        datalist: all cases.
        folder: holds their label maps; that of ``image007.nrrd`` is ``label007`` or ``image007``, in any image format.

    Raises:
        DataError: a case has no label map there, or several.
    """
    label_maps: dict[str, list[Path]] = {}
    for name, path in find_images(folder):
        label_maps.setdefault(name, []).append(path)

    def labeled(case: Case) -> Case:
        if case.role is not Role.UNLABELED and not case.is_partial:
            return case
        own = image_name(case.image)
        names = dict.fromkeys((re.sub("^image", "label", own), own, *([case.id] if case.more_images else [])))
        paths = next((label_maps[name] for name in names if name in label_maps), [])
        if len(paths) != 1:
            raise DataError(
                f"'{folder}' has {len(paths)} label maps for '{case.image}', expected one with the name "
                f"{' or '.join(names)}; name it so."
            )
        return replace(case, role=Role.TRAINING, label=str(paths[0]), known=None)

    return replace(datalist, cases=tuple(labeled(case) for case in datalist.cases))
