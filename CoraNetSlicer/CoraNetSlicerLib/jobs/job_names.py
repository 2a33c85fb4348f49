"""The names of jobs, which are the names of their folders."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from coranet.contract.case_names import case_name

from ..core.translation import _

_LONGEST = 80
_FORBIDDEN = '<>:"/\\|?*'


def training_name(segments: Sequence[str]) -> str:
    """The name of a training, after what it learns: "Left atrium", "Liver and Tumor", "Liver and 3 more"."""
    if not segments:
        return _("Training")
    if len(segments) == 1:
        return segments[0]
    if len(segments) == 2:
        return _("{first} and {second}").format(first=segments[0], second=segments[1])
    return _("{first} and {count} more").format(first=segments[0], count=len(segments) - 1)


def segmentation_name(volumes: Sequence[str]) -> str:
    """The name of a segmentation, after what it segments: "Segmentation of Patient 7", "Segmentation of 3 volumes"."""
    if len(volumes) == 1:
        return _("Segmentation of {volume}").format(volume=volumes[0])
    return _("Segmentation of {count} volumes").format(count=len(volumes))


def free_name(folder: Path, wanted: str) -> str:
    """A name that no job has: the wanted one, or with a number behind it.

    Args:
        folder: of all jobs.
        wanted: characters that a folder's name cannot have are left out.
    """
    base = _usable(wanted)
    name, number = base, 2
    while (folder / name).exists():
        name, number = f"{base} {number}", number + 1
    return name


def improved_name(folder: Path, before: str) -> str:
    """A name that no job has for a training that goes on: "Left atrium, improved 1" after "Left atrium".

    Args:
        folder: of all jobs.
        before: name of the training that made the model.
    """
    found = re.fullmatch(r"(.*), improved (\d+)", before)
    base, number = (found[1], int(found[2]) + 1) if found else (_usable(before), 1)
    while (folder / f"{base}, improved {number}").exists():
        number += 1
    return f"{base}, improved {number}"


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
        return _("Windows reserves the name '{name}'; choose another one.").format(name=name)
    if (folder / name).exists():
        return _("There is a job '{name}' already; choose another name.").format(name=name)
    return ""


def _usable(wanted: str) -> str:
    """A name as near to the wanted one as every system takes."""
    kept = "".join(letter for letter in wanted if letter.isprintable() and letter not in _FORBIDDEN)
    name = kept[: _LONGEST - len(" 999")].strip(" .") or _("Training")
    return f"{name} job" if _is_reserved(name) else name


def _is_reserved(name: str) -> bool:
    stem = name.split(".")[0].strip()
    return case_name(stem) == f"case_{stem}"


def _shown(letter: str) -> str:
    return letter if letter.isprintable() else repr(letter)
