"""Channels: images of one patient that a model sees together, such as T1 and FLAIR; their names, and their files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Optional

from .errors import DataError
from .image_files import image_name
from .image_headers import read_image_header
from .name_key import name_key

# Name of a case, and an image for each channel.
ImagesOfCase = tuple[str, tuple[Path, ...]]

_NUMBERED = re.compile(r"(.+)_(\d{4})")
_WORDS = re.compile(r"[^0-9a-z]+")


def channel_names(content: Any, source: str) -> tuple[str, ...]:
    """The names of channels as a file lists them.

    Args:
        content: a list of names, or a mapping from "0", "1", ... to them; None: there are none.
        source: what the list is, for error messages.

    Raises:
        DataError: it is neither, or its numbers are not 0, 1, ...
    """
    if content is None:
        return ()
    if isinstance(content, Mapping):
        numbers = [str(number) for number in range(len(content))]
        if sorted(map(str, content)) != sorted(numbers):
            raise DataError(
                f"{source} must number its channels from 0, got {', '.join(map(str, content))}; correct it."
            )
        by_number = {str(number): name for number, name in content.items()}
        content = [by_number[number] for number in numbers]
    if not isinstance(content, (list, tuple)) or not all(isinstance(name, str) and name.strip() for name in content):
        raise DataError(f'{source} must be a list of names such as ["T1", "FLAIR"], got {content!r}; correct it.')
    return tuple(name.strip() for name in content)


def names_of(channels: Sequence[str], count: int) -> tuple[str, ...]:
    """A name for each of `count` channels: those that were given, else "channel 1", "channel 2", ..."""
    return tuple(channels) or tuple(f"channel {number}" for number in range(1, count + 1))


def listed(names: Sequence[str]) -> str:
    """Names in a sentence: "T1", "T1 and FLAIR", "T1, T2 and FLAIR"."""
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1]))) if names else "none"


def require_all_channels(case: str, images: Sequence[str], names: Sequence[str]) -> None:
    """Raise DataError, naming what is missing, unless a case has one image for each channel."""
    if len(images) < len(names):
        missing = listed(names[len(images) :])
        raise DataError(
            f"case '{case}' has no {missing}, it has {len(images)} of the {len(names)} images {listed(names)}; add the "
            "others in this order, or remove the case."
        )
    if len(images) > len(names):
        raise DataError(
            f"case '{case}' has {len(images)} images, expected {len(names)} ({listed(names)}); remove '{images[-1]}', "
            "or name a channel for each image."
        )


def require_same_channels(of_cases: Sequence[str], of_model: Sequence[str], source: str) -> None:
    """Raise DataError unless cases have the channels of a model, in its order.

    Args:
        of_cases: names of the cases' channels; (): without names, each case's number of images decides.
        of_model: names of the model's channels.
        source: what lists the cases, for the error message.
    """
    is_named = bool(of_cases) and tuple(of_model) != names_of((), len(of_model))
    is_same = (
        [*map(name_key, of_cases)] == [*map(name_key, of_model)] if is_named else len(of_cases) in (0, len(of_model))
    )
    if not is_same:
        got, expected = (
            f"{len(names)}{noun} ({listed(names)})" for names, noun in ((of_cases, " channels"), (of_model, ""))
        )
        raise DataError(
            f"{source} has {got}, the model {expected}; give each case the images of the model, in its order."
        )


def require_no_swapped_channels(case: str, images: Sequence[str], names: Sequence[str]) -> None:
    """Raise DataError where the name of an image's file names another channel."""
    if len(set(images)) < len(images):
        return
    for name, image in zip(names, images, strict=False):
        parts = set(_words(image_name(image)))
        others = [other for other in names if _is_specific(other) and set(_words(other)) <= parts]
        if others and name not in others:
            raise DataError(
                f"case '{case}' has '{Path(image).name}' as its {name}, but the name of the file says {others[0]}; put "
                f"the images in the order {listed(names)}, or rename the file."
            )


def by_channel(images: Iterable[tuple[str, Path]], names: Sequence[str] = ()) -> Optional[list[ImagesOfCase]]:
    """Images of several channels, grouped by case as nnU-Net numbers them: p01_0000, p01_0001, ...

    Args:
        images: (name without ending, path) of each.
        names: of the channels; (): as many as there are numbers.

    Returns:
        (name of the case, its images in the order of the channels) of each; None where the names are not numbered so.

    Raises:
        DataError: a case lacks a channel, or has more than there are.
    """
    matches = [(_NUMBERED.fullmatch(name), path) for name, path in images]
    if not matches or not all(match for match, _ in matches):
        return None
    cases: dict[tuple[Path, str], dict[int, Path]] = {}
    for match, path in matches:
        if match:
            cases.setdefault((path.parent, match.group(1)), {})[int(match.group(2))] = path
    if not any(0 in numbers for numbers in cases.values()):
        return None
    count = len(names) or 1 + max(number for numbers in cases.values() for number in numbers)
    for (_, case), numbers in cases.items():
        _require_numbers(case, numbers, names_of(names, count))
    return [(case, tuple(numbers[number] for number in sorted(numbers))) for (_, case), numbers in cases.items()]


def grouped(images: Sequence[tuple[str, Path]], names: Sequence[str]) -> list[ImagesOfCase]:
    """Images to be segmented, grouped by case: (name of the case, an image for each channel).

    Args:
        images: (name without ending, path) of each.
        names: of the model's channels; with one or unknown channels, each image is a case.

    Raises:
        DataError: files are neither numbered as nnU-Net does nor of four dimensions, or a case lacks a channel.
    """
    if len(names) < 2:
        return [(name, (path,)) for name, path in images]
    cases = by_channel(images, names)
    if cases is not None:
        return cases
    numbered = ", ".join(f"p01_{number:04d}" for number in range(len(names)))
    for _, path in images:
        header = read_image_header(path)
        if header is None or header.volumes != len(names):
            raise DataError(
                f"'{path}' is one image, the model needs {listed(names)} of each case; name their files {numbered} in "
                "this order, or list the cases in a dataset.json."
            )
    return [(name, (path,) * len(names)) for name, path in images]


def _require_numbers(case: str, numbers: Mapping[int, Path], names: Sequence[str]) -> None:
    for number, name in enumerate(names):
        if number not in numbers:
            there = next(iter(numbers.values()))
            expected = there.name.replace(f"{case}_{min(numbers):04d}", f"{case}_{number:04d}")
            raise DataError(f"case '{case}' has no {name} ('{expected}'); add the file, or remove the case.")
    extra = sorted(set(numbers) - set(range(len(names))))
    if extra:
        raise DataError(
            f"case '{case}' has an image '{numbers[extra[0]].name}', expected {len(names)} channels ({listed(names)}); "
            "name the channel, or remove the file."
        )


def _words(name: str) -> list[str]:
    return [word for word in _WORDS.split(name.casefold()) if word]


def _is_specific(name: str) -> bool:
    """Whether a name is more than numbers and single letters, which any file's name may have."""
    parts = _words(name)
    return any(len(word) > 1 and not word.isdecimal() for word in parts) and parts[0] != "channel"
