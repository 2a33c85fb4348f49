"""The channels of the table of cases: how many images a case has, and what they are called."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Optional

from coranet.contract import Datalist
from coranet.contract.errors import DataError

from ..core.translation import _
from .case_rows import CaseRow

Names = tuple[str, ...]


def fitted(rows: Iterable[CaseRow], names: Names) -> list[CaseRow]:
    """The rows with a place for an image of each channel; places that are new are empty."""
    more = max(0, len(names) - 1)
    return [replace(row, more=(*row.more, *[None] * more)[:more]) for row in rows]


def with_another(names: Names) -> Names:
    """The names with one channel more; () stands for one channel, which needs no name."""
    known = names or (_default_name(1),)
    return (*known, next(name for name in map(_default_name, range(2, 99)) if name not in known))


def without_last(names: Names) -> Names:
    """The names with one channel less."""
    return names[:-1] if len(names) > 2 else ()


def names_in(text: str, count: int) -> Names:
    """The names that a person has typed, with commas between them.

    Raises:
        DataError: there are not as many, or one is there twice.
    """
    names = tuple(part.strip() for part in text.split(","))
    if len(names) != count or not all(names):
        raise DataError(
            _("{count} names are needed, with commas between them, got '{text}'; name each.").format(
                count=count, text=text
            )
        )
    if len({name.casefold() for name in names}) < count:
        raise DataError(_("Each channel needs a name of its own, got '{text}'; rename one.").format(text=text))
    return names


def joined(names: Names, datalist: Datalist, is_empty: bool) -> Names:
    """The channels of a table to which the cases of a datalist are added.

    Args:
        names: of the table.
        datalist: what is added.
        is_empty: whether the table has no row yet.

    Raises:
        DataError: the datalist names other channels.
    """
    theirs = datalist.channel_names if len(datalist.channel_names) > 1 else ()
    if is_empty or not names:
        return theirs
    if not datalist.channels or [*map(str.casefold, names)] == [*map(str.casefold, theirs)]:
        return names
    if names == tuple(_default_name(number) for number in range(1, len(theirs) + 1)):
        return theirs
    raise DataError(
        _("The datalist has the channels {theirs}, the table has {ours}; name those of the table alike.").format(
            theirs=", ".join(theirs), ours=", ".join(names)
        )
    )


def offered(rows: Sequence[CaseRow], key: str, volumes: Sequence[Any]) -> list[Any]:
    """Which volumes a row can have as its further images: those that no other case needs.

    Args:
        rows: the table.
        key: of the row.
        volumes: of the scene.
    """
    taken = []
    for row in rows:
        if row.key == key:
            taken.append(row.volume)
        elif row.segmentation is not None or any(one is not None for one in row.more):
            taken += row.images
    return [volume for volume in volumes if volume not in taken]


def given(rows: Sequence[CaseRow], key: str, channel: int, volume: Optional[Any]) -> list[CaseRow]:
    """The rows after one was given an image; a case that was this image alone is no case of its own any more.

    Args:
        rows: the table.
        key: of the row.
        channel: 1 for the second channel, and so on.
        volume: the image; None: none.
    """
    result = []
    for row in rows:
        if row.key == key:
            # No volume is two channels of one case.
            others = [None if one is volume else one for one in row.more]
            others[channel - 1] = volume
            row = replace(row, more=tuple(others))
        elif volume is not None and row.volume is volume:
            continue
        result.append(row)
    return result


def _default_name(number: int) -> str:
    return _("Channel {number}").format(number=number)
