"""Which case teaches what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..contract import Role
from ..contract.errors import DataError
from ..contract.events import Warned
from ..data.cache import PreparedCase
from ..reporting import Reporter


@dataclass(frozen=True)
class TrainingCases:
    """Prepared cases by role. `class_names` are those of classes 1, 2, ..."""

    labeled: tuple[PreparedCase, ...]
    unlabeled: tuple[PreparedCase, ...]
    validation: tuple[PreparedCase, ...]
    class_names: tuple[str, ...]


def training_cases(
    prepared: Sequence[PreparedCase], class_names: Sequence[str], uses_unlabeled: bool, reporter: Reporter
) -> TrainingCases:
    """What is learned from which case.

    Cases whose labels are known in part are unlabeled ones, whose decided voxels teach in place of a teacher. They are
    labeled as well only where the method does not look at unlabeled patches, or no case is labeled as a whole.

    Args:
        prepared: all cases that are not for testing.
        class_names: of classes 1, 2, ...
        uses_unlabeled: whether the method looks at unlabeled patches.
        reporter: gets a warning for each case of which nothing is known.

    Raises:
        DataError: there is no labeled case of which anything is known.
    """
    labeled, unlabeled, validation = (
        tuple(case for case in prepared if case.case.role is role)
        for role in (Role.TRAINING, Role.UNLABELED, Role.VALIDATION)
    )
    for case in (case for case in labeled if case.is_known_nowhere):
        reporter.emit(
            Warned(
                "nothing_known",
                f"the known part of the label of '{case.case.id}' is smaller than a voxel of the network, so the case "
                "counts as unlabeled; decide a larger region.",
            )
        )
    known = tuple(case for case in labeled if not case.is_known_nowhere)
    if not known:
        raise DataError("no labeled case has a known label that the network could see; decide larger regions.")
    whole = tuple(case for case in known if case.known is None)
    partial = tuple(case for case in labeled if case.known is not None)
    # Regions are reviewed where it was hard to tell. Alone they teach a wrong picture of the rest, so they teach beside
    # the pseudo-labels around them wherever a method has these.
    labeled = whole if whole and uses_unlabeled else known
    return TrainingCases(labeled, (*unlabeled, *partial), validation, tuple(class_names))
