"""The rows of the table of cases, and what is found about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from coranet.contract import Case, Role, image_name

from ..core.label_files import LabelFile
from ..core.translation import _


class CaseRole(Enum):
    """What a case of the table is used for."""

    LABELED = "labeled"
    UNLABELED = "unlabeled"
    VALIDATION = "validation"
    IGNORED = "ignored"

    @property
    def text(self) -> str:
        """What a person reads."""
        return {
            CaseRole.LABELED: _("Labeled"),
            CaseRole.UNLABELED: _("Unlabeled"),
            CaseRole.VALIDATION: _("Validation"),
            CaseRole.IGNORED: _("Ignore"),
        }[self]

    @property
    def explanation(self) -> str:
        """What a person reads in the tool tip."""
        return {
            CaseRole.LABELED: _("The network learns from the volume and its segmentation."),
            CaseRole.UNLABELED: _("The network learns from the volume alone; a segmentation is not looked at."),
            CaseRole.VALIDATION: _("Only measures how good the network is; it never learns from this case."),
            CaseRole.IGNORED: _("The case is left out."),
        }[self]

    @property
    def needs_label(self) -> bool:
        """Whether such a case must have a segmentation."""
        return self in (CaseRole.LABELED, CaseRole.VALIDATION)


class Severity(Enum):
    """How bad a finding is: an error keeps from training, a warning does not."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True)
class Finding:
    """Something that a person should know about the data.

    Attributes:
        severity: whether it keeps from training.
        short: a few words, for the table.
        text: a sentence that says what was found and what to do.
        key: the row that it is about; "": all of them.
    """

    severity: Severity
    short: str
    text: str
    key: str = ""


@dataclass(frozen=True)
class CaseRow:
    """One case of the table.

    Attributes:
        key: names the row for as long as it is in the table, also in a saved scene.
        role: what it is used for.
        volume: volume node, or the path of an image that stays on disk.
        segmentation: segmentation node, LabelFile, or None.
        findings: what is wrong with it, the worst first.
        more: of several channels, the volume nodes or paths of the second and those after it; None: not chosen yet.
    """

    key: str
    role: CaseRole
    volume: Any
    segmentation: Any = None
    findings: tuple[Finding, ...] = ()
    more: tuple[Any, ...] = ()

    @property
    def images(self) -> tuple[Any, ...]:
        """Volume node or path of each channel; None: not chosen yet."""
        return (self.volume, *self.more)

    @property
    def is_file(self) -> bool:
        """Whether the image is a file that stays on disk."""
        return isinstance(self.volume, str)

    @property
    def name(self) -> str:
        """The volume's name, or the file's without its ending."""
        return image_name(self.volume) if self.is_file else str(self.volume.GetName() or "")

    @property
    def nodes(self) -> list[Any]:
        """Its nodes of the scene: the volume, and the segmentation and further images if there are any."""
        parts = (self.volume, self.segmentation, *self.more)
        return [part for part in parts if part is not None and not isinstance(part, (str, LabelFile))]

    @property
    def files(self) -> list[str]:
        """Paths of its files that stay on disk."""
        label = [self.segmentation.path] if isinstance(self.segmentation, LabelFile) else []
        return [*dict.fromkeys(image for image in self.images if isinstance(image, str)), *label]


@dataclass(frozen=True)
class Segment:
    """A segment that can be learned.

    Attributes:
        name: by which it is known in all cases.
        learned: whether it is to be learned.
        cases: in how many cases with a segmentation it occurs.
        of: how many cases with a segmentation there are.
    """

    name: str
    learned: bool
    cases: int
    of: int


# Cases of other roles have no place in the table.
ROLE_OF_FILE = {
    Role.TRAINING: CaseRole.LABELED,
    Role.UNLABELED: CaseRole.UNLABELED,
    Role.VALIDATION: CaseRole.VALIDATION,
}


def row_of_file(key: str, case: Case, names: Mapping[int, str]) -> CaseRow:
    """The row of a case that stays on disk.

    Args:
        key: names the row.
        case: of a datalist or folder.
        names: what the values of its label map mean.
    """
    label = LabelFile(case.label, names) if case.label else None
    return CaseRow(key, ROLE_OF_FILE[case.role], case.image, label, more=case.more_images)


def error(row: CaseRow, short: str, text: str) -> Finding:
    """A finding about a row that keeps from training."""
    return Finding(Severity.ERROR, short, sentence(text), row.key)


def warning(row: CaseRow, short: str, text: str) -> Finding:
    """A finding about a row that does not keep from training."""
    return Finding(Severity.WARNING, short, sentence(text), row.key)


def sentence(text: str) -> str:
    """A text that begins with a capital letter."""
    return text[:1].upper() + text[1:]
