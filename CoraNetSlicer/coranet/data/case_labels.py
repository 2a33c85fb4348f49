"""The label map of a case, with the values that the datalist gives its classes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..contract import Case, Datalist, Label
from ..contract.errors import DataError
from ..contract.segment_names import in_words, match_name, matched_labels, meaning_of
from ..volume import Volume, read_label_map


def read_case_labels(case: Case) -> Volume:
    """Read the label map of a case; where it has names of its own, they say what its values mean.

    Returns:
        (k, j, i), int32: values of the datalist's classes, 0 elsewhere. Where the file names nothing, the values are
        those in it, and may be others.

    Raises:
        DataError: it cannot be read, holds a value that is not named, or names contradict values.
    """
    meaning, labels = meaning_of(case), read_label_map(str(case.label))
    if meaning is None:
        return labels
    present = {int(value) for value in np.unique(labels.voxels)} - {0}
    unknown = sorted(present - set(meaning))
    if unknown:
        named = case.label_names or [(label.value, label.name) for label in case.classes]
        raise DataError(
            f"'{case.label}' has the label value {unknown[0]}, which neither it nor the datalist names "
            f"({', '.join(name for _, name in named)}); name it, or remove it from the label map."
        )
    table = np.zeros(max(present, default=0) + 1, dtype=np.int32)
    for value in present:
        table[value] = meaning[value]
    return Volume(table[labels.voxels], labels.grid)


def with_classes_of(datalist: Datalist, labels: tuple[Label, ...], who: str) -> Datalist:
    """The cases with the classes of a model, which are found in them by name; other structures count as background.

    Args:
        datalist: cases with labels of their own description.
        labels: of the model.
        who: what has these labels, for the message.

    Raises:
        DataError: the datalist lacks a class.
    """
    names = [label.name for label in datalist.labels]
    if any(match_name(label.name, names) is None for label in labels):
        raise DataError(
            f"{who} has the labels {in_words(labels)}, the datalist names {in_words(datalist.labels) or 'none'}; "
            "classes are matched by name: give the datalist the names of the model."
        )
    unknown = [name for name in names if match_name(name, [label.name for label in labels]) is None]
    sentences = [f"{', '.join(map(repr, unknown))} of the datalist is unknown to the model and counts as background."]
    left_out = (*datalist.left_out, *(sentences if unknown else []))
    return replace(_described(datalist, labels), left_out=left_out)


def with_same_classes(datalist: Datalist, labels: tuple[Label, ...]) -> Datalist | None:
    """The cases with other labels of the same names; None where the names are others.

    Args:
        datalist: the cases.
        labels: those that they get; their values may be others.

    Raises:
        DataError: a name can be one of several.
    """
    return None if matched_labels(datalist.labels, labels) is None else _described(datalist, labels)


def _described(datalist: Datalist, labels: tuple[Label, ...]) -> Datalist:
    """The same cases with other classes; what their label maps mean goes with each."""
    own = tuple((label.value, label.name) for label in datalist.labels)
    if {value: name for value, name in own} == {label.value: label.name for label in labels}:
        return replace(datalist, labels=labels)
    cases = (
        replace(case, label_names=case.label_names or own) if case.label else case for case in datalist.cases
    )  # fmt: skip
    return replace(datalist, cases=tuple(cases), labels=labels)
