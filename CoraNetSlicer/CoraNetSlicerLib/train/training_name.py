"""The name of a training, which is the name of its folder."""

from __future__ import annotations

from pathlib import Path

from coranet.contract.case_names import case_name

from ..core.translation import _

_LONGEST = 80
_FORBIDDEN = '<>:"/\\|?*'


def default_name(folder: Path, what: str, day: str) -> str:
    """A name that is not taken yet: "2026-11-24 pancreas", or with a number behind it.

    Args:
        folder: of all jobs.
        what: what is learned; characters that a folder's name cannot have are left out.
        day: a date.
    """
    kept = "".join(letter for letter in what if letter.isprintable() and letter not in _FORBIDDEN)
    base = f"{day} {kept.strip(' .') or _('training')}"[:_LONGEST].rstrip(" .")
    name, number = base, 2
    while (folder / name).exists():
        name, number = f"{base} {number}", number + 1
    return name


def name_error(folder: Path, name: str) -> str:
    """What is wrong with the name of a new training, in a sentence; "" if nothing.

    Args:
        folder: of all jobs.
        name: as it was typed.
    """
    forbidden = sorted({letter for letter in name if letter in _FORBIDDEN or not letter.isprintable()})
    if not name.strip():
        return _("Give the training a name.")
    if forbidden:
        return _("A name cannot have {letters}; leave them out.").format(letters=" ".join(map(_shown, forbidden)))
    if name != name.strip() or name.endswith("."):
        return _("A name cannot begin or end with a space, or end with a dot.")
    if len(name) > _LONGEST:
        return _("A name has at most {most} letters, this one {count}.").format(most=_LONGEST, count=len(name))
    if _is_reserved(name):
        return _("'{name}' is a name that Windows keeps for itself; choose another one.").format(name=name)
    if (folder / name).exists():
        return _("There is a training '{name}' already; choose another name.").format(name=name)
    return ""


def _is_reserved(name: str) -> bool:
    stem = name.split(".")[0].strip()
    return case_name(stem) == f"case_{stem}"


def _shown(letter: str) -> str:
    return letter if letter.isprintable() else repr(letter)
