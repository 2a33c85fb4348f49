"""What is wrong with the further images of a case: missing, of another place, or in each other's place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from coranet.contract.channels import require_no_swapped_channels
from coranet.contract.errors import DataError

from ..core.case_images import is_path, name_of_image
from ..core.translation import _
from .case_facts import NodeFacts, lie_apart
from .case_outliers import in_words, spacing_ratio
from .case_rows import CaseRow, Finding, error, warning

_SAME_RATIO = 1.001


def channel_findings(row: CaseRow, names: Sequence[str], facts: NodeFacts) -> Iterator[Finding]:
    """Everything found about the images of a case beside its first one.

    Args:
        row: the case.
        names: of the channels; (): there is one.
        facts: of nodes.
    """
    for name, image in zip(names[1:], row.more, strict=False):
        if image is None:
            text = _("'{case}' has no {channel}; choose its volume, or remove the channel.")
            yield error(row, _("no {channel}").format(channel=name), text.format(case=row.name, channel=name))
        elif not is_path(image):
            yield from _of_volume(row, image, facts)
    images = [name_of_image(image) for image in row.images if image is not None]
    if len(images) == len(names) > 1:
        try:
            require_no_swapped_channels(row.name, images, names)
        except DataError as swapped:
            yield warning(row, _("swapped?"), str(swapped))


def _of_volume(row: CaseRow, volume: Any, facts: NodeFacts) -> Iterator[Finding]:
    found, words = facts.of_volume(volume), {"image": name_of_image(volume), "case": row.name}
    if found.problem:
        yield error(row, _("cannot be used"), found.problem)
        return
    if row.is_file:
        return
    first = facts.of_volume(row.volume)
    if first.problem:
        return
    if volume.GetTransformNodeID() != row.volume.GetTransformNodeID():
        text = _("'{image}' and '{case}' are under different transforms; harden them, or put both under the same.")
        yield error(row, _("transforms"), text.format(**words))
    elif lie_apart(volume, row.volume):
        text = _("'{image}' does not overlap '{case}'; choose the image of the same patient, or register both.")
        yield error(row, _("lies elsewhere"), text.format(**words))
    elif found.size_ijk != first.size_ijk or spacing_ratio(found.spacing_mm, first.spacing_mm) > _SAME_RATIO:
        text = _("'{image}' has {voxels} voxels, '{case}' has {own}; it is resampled to the grid of '{case}'.")
        sizes = {"voxels": in_words(found.size_ijk), "own": in_words(first.size_ijk)}
        yield warning(row, _("resampled"), text.format(**sizes, **words))
