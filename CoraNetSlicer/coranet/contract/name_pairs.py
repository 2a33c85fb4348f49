"""Which label belongs to which image, by their names: one rule for the nodes of a scene and for files in a folder."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import takewhile

from .listed_paths import same_letters

_LABEL_WORDS = frozenset((
    "label", "labels", "labelmap", "lbl", "lab", "seg", "segs", "segm", "segmentation", "segmentations", "segmented",
    "mask", "masks", "msk", "truth", "groundtruth", "gt", "ground", "annotation", "annotations", "annotated", "contour",
    "contours", "manual",
))  # fmt: skip
_IMAGE_WORDS = frozenset(["image", "images", "img", "imgs", "volume", "volumes", "vol", "scan", "scans", "data"])
_UNSPECIFIC = _LABEL_WORDS | _IMAGE_WORDS | {"of", "for", "the"}
_LETTERS_OR_DIGITS = re.compile(r"[^\W\d_]+|\d+")
_PARTS = re.compile(r"[\W_]+")
# nnU-Net's number of the first channel of a case.
_FIRST_CHANNEL = "0000"

Words = tuple[str, ...]


def is_label_name(name: str) -> bool:
    """Whether a name marks a label, as "label001" and "case_01_seg" do."""
    return not _LABEL_WORDS.isdisjoint(_words(name))


def says_image_alone(name: str) -> bool:
    """Whether a name is one word for images, and nothing else, as that of a folder."""
    return name.lower() in _IMAGE_WORDS


def says_label_alone(name: str) -> bool:
    """Whether a name is one word for labels, and nothing else, as that of a folder."""
    return name.lower() in _LABEL_WORDS


def may_be_labels(names: Sequence[str]) -> set[int]:
    """Indices of the names that say that they are labels, or that go on from another name ("p1_liver" beside "p1")."""
    parts = [_parts(name) for name in names]
    starts = set(parts)
    goes_on = [any(part[:end] in starts for end in range(1, len(part))) for part in parts]
    return {index for index, name in enumerate(names) if goes_on[index] or is_label_name(name)}


def differ_in_kind_alone(image: str, label: str) -> bool:
    """Whether the names of an image and a label are equal but for words such as "image" and "label"."""
    return _key(image) == _key(label)


def pair_names(images: Sequence[str], labels: Sequence[str]) -> dict[int, int]:
    """Find the image of each label.

    Four rules, one after the other, for those that are left: the names are equal but for words such as "image" and
    "label"; the label's name begins with the image's (the longest counts), or the other way round; the names are equal
    without the words that all images, and all labels, have at their beginning and end. Upper and lower case do not
    count, and no rule guesses between two images.

    Args:
        images: their names; of files, without the ending.
        labels: their names.

    Returns:
        Index of the label -> index of the image; no image occurs twice.
    """
    specific = {index: name for index, name in enumerate(labels) if _is_specific(name, labels)}
    pairs: dict[int, int] = {}
    for rule in (_equal, _begins_with_image, _begins_with_label, _equal_between):
        open_images = {index: name for index, name in enumerate(images) if index not in pairs.values()}
        open_labels = {index: name for index, name in specific.items() if index not in pairs}
        for label, image in rule(open_images, open_labels):
            if label not in pairs and image not in pairs.values():
                pairs[label] = image
    return pairs


def _equal(images: dict[int, str], labels: dict[int, str]) -> Iterable[tuple[int, int]]:
    return _same_keys({index: _key(name) for index, name in images.items()}, {i: _key(n) for i, n in labels.items()})


def _begins_with_image(images: dict[int, str], labels: dict[int, str]) -> Iterable[tuple[int, int]]:
    starts = {index: _parts(name) for index, name in images.items()}
    for label, name in labels.items():
        parts = _parts(name)
        # "Patient 1 left truth" belongs to "Patient 1 left" rather than to "Patient 1".
        lengths = {index: len(start) for index, start in starts.items() if start and parts[: len(start)] == start}
        longest = [index for index, length in lengths.items() if length == max(lengths.values())]
        if len(longest) == 1:
            yield label, longest[0]


def _begins_with_label(images: dict[int, str], labels: dict[int, str]) -> Iterable[tuple[int, int]]:
    parts = {index: _parts(name) for index, name in images.items()}
    for label, name in labels.items():
        start = tuple(part for part in _parts(name) if part not in _LABEL_WORDS)
        fitting = [index for index, words in parts.items() if start and words[: len(start)] == start]
        if len(fitting) == 1:
            yield label, fitting[0]


def _equal_between(images: dict[int, str], labels: dict[int, str]) -> Iterable[tuple[int, int]]:
    # Of a single name, everything would be common to all.
    if len(images) > 1 and len(labels) > 1:
        return _same_keys(_without_common(images), _without_common(labels))
    return ()


def _same_keys(images: dict[int, Words], labels: dict[int, Words]) -> Iterable[tuple[int, int]]:
    counts = Counter(images.values())
    owners = {key: index for index, key in images.items() if key and counts[key] == 1}
    return [(label, owners[key]) for label, key in labels.items() if key in owners]


def _is_specific(name: str, names: Sequence[str]) -> bool:
    """Whether a label's name identifies its image: the number of "Segmentation_1" beside "Segmentation" does not."""
    key = _key(name)
    counts_labels = any(not _key(other) for other in names)
    return bool(key) and not (counts_labels and all(word.isdecimal() for word in key))


def _key(name: str) -> Words:
    return tuple(word for word in _words(name) if word not in _UNSPECIFIC)


def _without_common(names: dict[int, str]) -> dict[int, Words]:
    words = {index: _words(name) for index, name in names.items()}
    first = _common(words.values())
    last = _common(tuple(reversed(word[first:])) for word in words.values())
    return {index: word[first : len(word) - last] for index, word in words.items()}


def _common(names: Iterable[Words]) -> int:
    """How many words all names have in common at their beginning."""
    return len(list(takewhile(lambda parts: len(set(parts)) == 1, zip(*names, strict=False))))


def _words(name: str) -> Words:
    return _without_channel(_LETTERS_OR_DIGITS.findall(_folded(name)))


def _parts(name: str) -> Words:
    return _without_channel([part for part in _PARTS.split(_folded(name)) if part])


def _without_channel(parts: Sequence[str]) -> Words:
    """The words without the number of the first channel, kept where no other word identifies the case."""
    is_channel = parts[-1:] == [_FIRST_CHANNEL] and not _UNSPECIFIC.issuperset(parts[:-1])
    return tuple(parts[:-1] if is_channel else parts)


def _folded(name: str) -> str:
    return same_letters(name).casefold()
