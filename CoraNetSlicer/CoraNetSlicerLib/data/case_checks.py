"""What is wrong with a case, in words, before a minute of training is spent on it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Optional

from coranet.contract import ImageHeader
from coranet.contract.axis_order import axis_order
from coranet.contract.channels import require_no_swapped_channels
from coranet.contract.errors import DataError

from ..core.case_images import LabelFile, is_path, name_of_image
from ..core.case_nodes import drawn_on, is_off_grid, lie_apart, shares_grid
from ..core.segment_classes import segment_names_of, source_name
from ..core.translation import _, sentence
from .case_facts import KnownFiles, NodeFacts, VolumeFacts
from .case_rows import CaseRole, CaseRow, Finding, Severity

# A segmentation may be drawn on slightly other voxels; only what blurs its edges is worth a word.
_DRAWN_RATIO = 1.25
# A label map on disk must lie on the image's own voxels; only rounding may differ.
_SAME_RATIO = 1.001
_DIMENSIONS = 3


class CaseChecks:
    """Looks at one case after the other. Files that were not read yet have no findings."""

    def __init__(self, facts: NodeFacts, files: KnownFiles, channels: Sequence[str] = ()) -> None:
        self.facts, self.files = facts, files
        self._channels = channels

    def findings(self, row: CaseRow, learned: Sequence[str], owners: Mapping[str, CaseRow]) -> Iterator[Finding]:
        """Everything found about a case by itself.

        Args:
            row: the case.
            learned: names of the segments to learn.
            owners: by ID of a volume node, the case whose image it is.
        """
        yield from self._of_volume(row)
        yield from self._of_channels(row)
        if row.role.needs_label:
            yield from self._of_label(row, learned, owners)

    def is_renamable(self, source: Any) -> bool:
        """Whether the values of a segmentation can be named here: a label map on disk that does not name them."""
        facts = self.files.of(source.path) if isinstance(source, LabelFile) else None
        return facts is not None and not facts.names_itself

    def scan(self, row: CaseRow) -> VolumeFacts:
        """What is known of the first image of a case."""
        if not row.is_file:
            return self.facts.of_volume(row.volume)
        header = self._header(row.volume)
        if header is None or len(header.spacing_mm) != _DIMENSIONS:
            return VolumeFacts(problem="unknown")
        return VolumeFacts(size_ijk=header.size_ijk, spacing_mm=header.spacing_mm)

    def _of_volume(self, row: CaseRow) -> Iterator[Finding]:
        for path in dict.fromkeys(image for image in row.images if isinstance(image, str)):
            yield from self._of_image_file(row, path)
        if row.is_file:
            return
        facts = self.facts.of_volume(row.volume)
        if facts.problem:
            yield error(row, _("not usable"), "{problem}", problem=facts.problem)
        elif facts.is_label_map:
            yield _label_map(row, row.name)
        elif facts.low == facts.high:
            text = _("'{name}' has the intensity {value:g} nearly everywhere. Check that it is the right volume.")
            yield warning(row, _("constant intensity"), text, value=facts.median)

    def _of_image_file(self, row: CaseRow, path: str) -> Iterator[Finding]:
        yield from self._missing(row, path)
        facts = self.files.of(path)
        if facts is None:
            return
        if facts.is_label_map:
            yield _label_map(row, path)
        if facts.problem:
            yield error(row, _("not usable"), "{problem}", problem=facts.problem)
        # A series that is named for several channels gives one of its images to each.
        if len(facts.images) > 1 and row.images.count(path) < 2:
            yield _several_images(row, facts.images)

    def _missing(self, row: CaseRow, path: str) -> Iterator[Finding]:
        facts = self.files.of(path)
        if facts is not None and not facts.exists:
            text = _("'{path}' does not exist. Restore it, or remove the case.")
            yield error(row, _("file missing"), text, path=path)

    def _other_grid(self, row: CaseRow) -> Iterator[Finding]:
        image, label = (self._header(path) for path in (row.volume, row.segmentation.path))
        if image is None or label is None:
            return
        # Axes may have changed places: each voxel can lie where one of the image lies all the same.
        if sorted(image.size_ijk) != sorted(label.size_ijk):
            text = _("'{segmentation}' has {drawn} voxels, '{name}' has {own}. Resample the label map to the image.")
            sizes = {"drawn": in_words(label.size_ijk), "own": in_words(image.size_ijk)}
            yield error(row, _("different geometry"), text, **sizes)
        elif spacing_ratio(image.spacing_mm, label.spacing_mm) > _SAME_RATIO:
            text = _("'{segmentation}' has voxels of {drawn} mm, '{name}' of {own} mm. Resample it to the image.")
            spacings = {"drawn": in_words(label.spacing_mm), "own": in_words(image.spacing_mm)}
            yield error(row, _("different geometry"), text, **spacings)
        elif self._lie_apart(row.volume, row.segmentation.path):
            text = _(
                "'{segmentation}' has another origin or direction than '{name}'. Choose the label map of this case, or "
                "resample it to the image."
            )
            yield error(row, _("different geometry"), text)

    def _lie_apart(self, first: str, second: str) -> bool:
        """Whether the voxels of two files are known not to lie at the same places, in one order or another."""
        known = [facts.placement for facts in map(self.files.of, (first, second)) if facts and facts.placement]
        return len(known) == 2 and axis_order(known[0], known[1]) is None

    def _of_label_file(self, row: CaseRow) -> Iterator[Finding]:
        """About a label map on disk."""
        source = row.segmentation
        yield from self._missing(row, source.path)
        yield from self._other_grid(row)
        if row.unnamed_label:
            yield self._unnamed(row)
        facts = self.files.of(source.path)
        if facts is None:
            return
        problem = facts.problem
        try:
            source.names_in_file(facts.segments)
        except DataError as contradiction:
            problem = str(contradiction)
        if problem:
            yield error(row, _("not usable"), "{problem}", problem=problem)

    def _header(self, path: str) -> Optional[ImageHeader]:
        facts = self.files.of(path) if isinstance(path, str) else None
        return facts.header if facts is not None else None

    def _of_channels(self, row: CaseRow) -> Iterator[Finding]:
        """About the images of a case beside its first one."""
        names = self._channels
        for name, image in zip(names[1:], row.more, strict=False):
            if image is None:
                text = _("'{name}' has no {channel}. Choose its volume, or remove the channel.")
                yield error(row, _("no {channel}").format(channel=name), text, channel=name)
            elif not is_path(image):
                yield from self._of_channel(row, image)
        images = [name_of_image(image) for image in row.images if image is not None]
        if len(images) == len(names) > 1:
            try:
                require_no_swapped_channels(row.name, images, names)
            except DataError as problem:
                yield warning(row, _("channels swapped?"), "{problem}", problem=problem)

    def _of_channel(self, row: CaseRow, volume: Any) -> Iterator[Finding]:
        facts, image = self.facts.of_volume(volume), name_of_image(volume)
        if facts.problem:
            yield error(row, _("not usable"), "{problem}", problem=facts.problem)
            return
        first = VolumeFacts(problem="on disk") if row.is_file else self.facts.of_volume(row.volume)
        if first.problem:
            return
        if volume.GetTransformNodeID() != row.volume.GetTransformNodeID():
            text = _("'{image}' and '{name}' have different transforms. Harden them, or put both under the same one.")
            yield error(row, _("different transforms"), text, image=image)
        elif lie_apart(volume, row.volume):
            text = _("'{image}' does not overlap '{name}'. Choose the image of the same patient, or register both.")
            yield error(row, _("no overlap"), text, image=image)
        elif facts.size_ijk != first.size_ijk or spacing_ratio(facts.spacing_mm, first.spacing_mm) > _SAME_RATIO:
            text = _("'{image}' has {voxels} voxels, '{name}' has {own}. It is resampled to '{name}'.")
            sizes = {"voxels": in_words(facts.size_ijk), "own": in_words(first.size_ijk)}
            yield warning(row, _("resampled"), text, image=image, **sizes)

    def _of_label(self, row: CaseRow, learned: Sequence[str], owners: Mapping[str, CaseRow]) -> Iterator[Finding]:
        source = row.segmentation
        if source is None:
            text = _("'{name}' has no segmentation. Choose one, or make the case unlabeled.")
            yield error(row, _("no segmentation"), text)
        elif isinstance(source, LabelFile):
            yield from self._of_label_file(row)
        elif row.is_file:
            text = _("'{name}' is on disk and its segmentation in the scene. Load the volume.")
            yield error(row, _("not loaded"), text)
        else:
            names = segment_names_of(source)
            yield from _of_other_case(row, owners)
            yield from self._of_segmentation(row, [name for name in learned if name in names])

    def _unnamed(self, row: CaseRow) -> Finding:
        if self.files.names_of(row.unnamed_label) is None:
            return error(row, _("reading"), _("'{segmentation}' is being read. Wait until its values are known."))
        text = _(
            "'{segmentation}' has no values that can be read. Check the file, or name its values in a dataset.json."
        )
        return error(row, _("no segments"), text)

    def _of_segmentation(self, row: CaseRow, names: Sequence[str]) -> Iterator[Finding]:
        facts, volume = self.facts.of_segmentation(row.segmentation), self.facts.of_volume(row.volume)
        empty = [name for name in names if name in facts.empty]
        if names and len(empty) == len(names):
            teaches = _(
                "'{segmentation}' is empty. It teaches that there is nothing in '{name}'. If there is something, "
                "paint it, or make the case unlabeled."
            )
            measures = _(
                "'{segmentation}' is empty. Whatever is found in '{name}' counts as a Dice of 0. If there is "
                "something, paint it, or ignore the case."
            )
            yield warning(row, _("empty"), measures if row.role is CaseRole.VALIDATION else teaches)
            return
        if empty:
            text = _("{segments} is empty in '{segmentation}'. It teaches that '{name}' has none of it.")
            yield warning(row, _("partly empty"), text, segments=quoted(empty))
        if not volume.problem:
            yield from self._of_place(row)

    def _of_place(self, row: CaseRow) -> Iterator[Finding]:
        """Whether a segmentation lies on the voxels of its volume."""
        facts, volume = self.facts.of_segmentation(row.segmentation), self.facts.of_volume(row.volume)
        if lie_apart(row.segmentation, row.volume):
            text = _("'{segmentation}' does not overlap '{name}'. Choose the segmentation that was drawn on it.")
            yield error(row, _("no overlap"), text)
        elif facts.spacing_mm and spacing_ratio(facts.spacing_mm, volume.spacing_mm) > _DRAWN_RATIO:
            text = _("'{segmentation}' was drawn on voxels of {drawn} mm, '{name}' has {own} mm. Check its edges.")
            spacings = {"drawn": in_words(facts.spacing_mm), "own": in_words(volume.spacing_mm)}
            yield warning(row, _("different geometry"), text, **spacings)
        elif is_off_grid(row.segmentation, row.volume):
            text = _("'{segmentation}' was not drawn on the voxels of '{name}'. Check that it belongs to this case.")
            yield warning(row, _("different geometry"), text)


def error(row: CaseRow, short: str, text: str, **fields: Any) -> Finding:
    """A finding about a row that keeps from training.

    In the text, a sentence, {name} and {segmentation} are those of the case; `short` is for the table.
    """
    return Finding(Severity.ERROR, short, _filled(row, text, fields), row.key)


def warning(row: CaseRow, short: str, text: str, **fields: Any) -> Finding:
    """A finding about a row that does not keep from training; arguments as of `error`."""
    return Finding(Severity.WARNING, short, _filled(row, text, fields), row.key)


def _filled(row: CaseRow, text: str, fields: Mapping[str, Any]) -> str:
    segmentation = "" if row.segmentation is None else source_name(row.segmentation)
    return sentence(text.format(name=row.name, segmentation=segmentation, **fields))


def spacing_ratio(first: Sequence[float], second: Sequence[float]) -> float:
    """How many times larger one spacing is than the other, along the axis where they differ most.

    The spacings are compared sorted: the same scan may have its slices along another axis.
    """
    pairs = zip(sorted(first), sorted(second), strict=False)
    return max(max(pair) / max(min(pair), 1e-6) for pair in pairs)


def in_words(spacing_mm: Sequence[float]) -> str:
    """A spacing as "0.9 x 1.3 x 2.4"."""
    return " x ".join(f"{value:.3g}" for value in spacing_mm)


def quoted(names: Sequence[str]) -> str:
    """Names as "'a', 'b'"."""
    return ", ".join(f"'{name}'" for name in names)


def _of_other_case(row: CaseRow, owners: Mapping[str, CaseRow]) -> Iterator[Finding]:
    origin = drawn_on(row.segmentation)
    other = owners.get(origin.GetID()) if origin is not None else None
    if other is not None and other.key != row.key:
        text = _("'{segmentation}' was drawn on '{other}', not on '{name}'. Choose the segmentation of this case.")
        yield error(row, _("wrong case"), text, other=other.name)
    elif other is None and is_off_grid(row.segmentation, row.volume):
        others = [owner for owner in owners.values() if owner.key != row.key]
        on_grid = [owner for owner in others if shares_grid(row.segmentation, owner.volume)]
        if on_grid:
            text = _(
                "'{segmentation}' has the geometry of '{other}', not of '{name}'. Choose the segmentation of this case."
            )
            yield error(row, _("wrong case"), text, other=on_grid[0].name)


def _several_images(row: CaseRow, images: Sequence[str]) -> Finding:
    """A warning on a DICOM series of several images; the engine divides it by the same rule."""
    text = _("'{name}' is one DICOM series of {count} images: {images}. Each becomes a case of its own.")
    if row.role.needs_label:
        text = _(
            "'{name}' is one DICOM series of {count} images: {images}. The one that has the geometry of the label is "
            "used, if there is exactly one."
        )
    elif len(row.images) > 1:
        text = _(
            "A channel of '{name}' is one DICOM series of {count} images: {images}. The one that has the geometry of "
            "the other channels is used, if there is exactly one."
        )
    return warning(row, _("several images"), text, count=len(images), images=", ".join(images))


def _label_map(row: CaseRow, image: str) -> Finding:
    text = _("'{image}' is a label map, not an image: it has few values, all whole numbers. Remove or ignore the case.")
    return error(row, _("label map"), text, image=image)
