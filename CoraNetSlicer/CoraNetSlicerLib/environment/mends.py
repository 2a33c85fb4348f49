"""What is shown of each finding: a sentence, and the button that mends it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Optional

from ..core.translation import _
from .environment import InterpreterKind
from .probe import Finding, Health

_TITLES = {"torch": "PyTorch", "monai": "MONAI", "numpy": "NumPy", "scipy": "SciPy"}
# They come with Slicer, which has them loaded: replacing them would break it.
_OF_SLICER = ("numpy", "scipy", "SimpleITK")
_WRONG_BUILD = ("device.cpu_build", "device.driver", "device.architecture")


@dataclass(frozen=True)
class Mend:
    """A button.

    Attributes:
        code: what it does, for `EnvironmentPresenter.mend`: "install:torch,monai", "anew:torch", "extension",
            "choose:private", "choose:other", "log".
        label: its text.
        tool_tip: what will happen.
    """

    code: str
    label: str
    tool_tip: str


@dataclass(frozen=True)
class FindingRow:
    """A finding as it is shown.

    Attributes:
        code: what is wrong, for programs.
        level: "error" or "warning".
        text: what is wrong.
        mend: the button; None: there is nothing that a click could do.
    """

    code: str
    level: str
    text: str
    mend: Optional[Mend] = None


def title(name: str) -> str:
    """What people call a package."""
    return _TITLES.get(name, name)


def titles(names: Iterable[str]) -> str:
    """What people call some packages, as a list in a sentence."""
    found = [title(name) for name in names]
    return found[0] if len(found) == 1 else _("{first} and {last}").format(first=", ".join(found[:-1]), last=found[-1])


def rows_of(health: Health, kind: InterpreterKind, needs_extension: bool) -> list[FindingRow]:
    """The findings of an examination, errors first; packages that can be installed share a row.

    Args:
        health: what the doctor found.
        kind: whose Python it examined.
        needs_extension: PyTorch can be installed only when Slicer's PyTorch extension is there.
    """
    missing = [one for one in health.findings if one.code == "package.missing" and _is_ours(one.topic, kind)]
    rows = [_row_of_missing([one.topic for one in missing], needs_extension)] if missing else []
    rows += [_row_of(one, kind, needs_extension) for one in health.findings if one not in missing]
    return sorted(rows, key=lambda row: row.level != "error")


def _is_ours(name: str, kind: InterpreterKind) -> bool:
    return kind is InterpreterKind.OTHER or name not in _OF_SLICER


def _row_of_missing(names: Sequence[str], needs_extension: bool) -> FindingRow:
    text = _("{packages} is missing.") if len(names) == 1 else _("{packages} are missing.")
    if "torch" in names and needs_extension:
        return FindingRow("package.missing", "error", text.format(packages=titles(names)), install_extension())
    label = _("Install {packages}").format(packages=titles(names))
    tip = _("Downloads and installs it in the background; what is installed already stays as it is.")
    return FindingRow(
        "package.missing", "error", text.format(packages=titles(names)), Mend(f"install:{','.join(names)}", label, tip)
    )


def install_extension() -> Mend:
    """The button that gets Slicer's PyTorch extension."""
    tip = _("Slicer's PyTorch extension knows the build of PyTorch that fits this computer. Slicer restarts once.")
    return Mend("extension", _("Install the PyTorch extension"), tip)


def choose_private() -> Mend:
    """The button that changes to a private folder."""
    tip = _("Installs PyTorch and MONAI into a folder of their own; the packages of Slicer stay as they are.")
    return Mend("choose:private", _("Use a private folder"), tip)


def _row_of(finding: Finding, kind: InterpreterKind, needs_extension: bool) -> FindingRow:
    mend = _mend_of(finding, kind)
    if mend is not None and mend.code.startswith("anew:torch") and needs_extension:
        mend = install_extension()
    text = _sentence(finding.message)
    if mend is None and finding.code == "package.missing":
        text = _("{package}, a part of Slicer, is missing: install Slicer again.").format(package=title(finding.topic))
    elif mend is None and finding.mend:
        text = f"{text} {_sentence(finding.mend)}"
    return FindingRow(finding.code, finding.level, text, mend)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _mend_of(finding: Finding, kind: InterpreterKind) -> Optional[Mend]:
    code, name = finding.code, finding.topic
    if code in ("package.broken", "package.unlisted") and _is_ours(name, kind):
        tip = _("Removes what is left of it, and installs it anew.")
        return Mend(f"anew:{name}", _("Repair {package}").format(package=title(name)), tip)
    if code == "package.too_old" and _is_ours(name, kind):
        tip = _("Removes the old version, and installs the newest that fits.")
        return Mend(f"anew:{name}", _("Update {package}").format(package=title(name)), tip)
    if code in _WRONG_BUILD:
        tip = _("Removes this PyTorch, and installs the build that fits the graphics card and its driver.")
        return Mend("anew:torch", _("Install a fitting PyTorch"), tip)
    if code == "package.clash" and kind is InterpreterKind.SLICER:
        return choose_private()
    if code == "python.too_old" and kind is not InterpreterKind.OTHER:
        return Mend("choose:other", _("Choose another Python"), _("Trains with a Python of your own, 3.10 or newer."))
    return None
