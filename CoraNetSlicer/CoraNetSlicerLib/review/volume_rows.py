"""Volumes of the classes as a person reads and copies them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from ..core.translation import _
from .class_volumes import ClassVolume


def narrowed(volume: ClassVolume, brackets: Mapping[int, ClassVolume]) -> ClassVolume:
    """A volume as it was counted, with the bracket that a review has left of it.

    Args:
        volume: of a class.
        brackets: by label value of the class; a class that is not there has the bracket that was counted.
    """
    bracket = brackets.get(volume.value)
    if bracket is None or volume.ml is None:
        return volume
    return replace(volume, conservative_ml=bracket.conservative_ml, radical_ml=bracket.radical_ml)


def volumes_table(volumes: Iterable[ClassVolume]) -> str:
    """Volumes as a table with a header, for a spreadsheet: columns between tabs, mL with three decimals."""
    rows = [(_("Structure"), _("Result (mL)"), _("Conservative (mL)"), _("Radical (mL)"))]
    for one in volumes:
        numbers = (one.ml, one.conservative_ml, one.radical_ml)
        rows.append((one.name, *("" if ml is None else f"{ml:.3f}" for ml in numbers)))
    return "".join("\t".join(row) + "\n" for row in rows)
