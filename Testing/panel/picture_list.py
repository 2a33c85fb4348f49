"""The pictures that there are, by their names."""

from __future__ import annotations

from collections.abc import Callable

from stage import Stage

Picture = Callable[[Stage], str]
PICTURES: dict[str, Picture] = {}


def picture(make: Picture) -> Picture:
    """Register a function that brings a stage into a state and names the page to look at ("": the one in sight)."""
    PICTURES[make.__name__.replace("_", "-")] = make
    return make
