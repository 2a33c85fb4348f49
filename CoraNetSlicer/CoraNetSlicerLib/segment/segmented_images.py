"""Which images belong to a volume that is to be segmented with a model of several channels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from coranet.contract import listed
from coranet.contract.errors import DataError

from ..core.parameters import Parameters
from ..core.translation import _
from ..data.case_rows import CaseStorage


def images_to_segment(volumes: Sequence[Any], channels: Sequence[str], parameters: Parameters) -> list[Any]:
    """The images of each case: the volume alone, or with those that the table under Data has beside it.

    Args:
        volumes: volume nodes that were chosen.
        channels: names of the model's channels.
        parameters: the panel's state in the scene, with the table.

    Returns:
        Volume nodes, or of several channels tuples of them in the order of the model.

    Raises:
        DataError: a volume is not in the table with an image for each channel.
    """
    if len(channels) < 2:
        return list(volumes)
    storage = CaseStorage(parameters)
    names = [name.casefold() for name in storage.channels()]
    wanted = [name.casefold() for name in channels]
    rows = {id(row.volume): row.images for row in storage.rows()}
    # Without names in common, the table's order is that of the model.
    order = [names.index(name) for name in wanted] if sorted(names) == sorted(wanted) else range(len(names))
    cases = []
    for volume in volumes:
        images = rows.get(id(volume), (volume,))
        chosen = tuple(images[index] for index in order if index < len(images))
        if len(chosen) != len(channels) or None in chosen:
            raise DataError(
                _(
                    "The model needs {channels} of each case; give '{name}' its images in the table under Data, with "
                    "Add channel."
                ).format(channels=listed(tuple(channels)), name=volume.GetName())
            )
        cases.append(chosen)
    return cases
