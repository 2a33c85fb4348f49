"""What a case is made of: images, one a channel, as nodes or paths, and label maps that stay on disk."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional, Union

import numpy as np

from coranet.contract import Case, Label, Role, image_name, listed, names_of
from coranet.contract.channels import require_all_channels
from coranet.contract.errors import DataError
from coranet.contract.segment_names import FileSegment, meaning_of

from .images import placement_of

# A volume node or the path of an image; of several channels a tuple of them, or {name of the channel: node or path}.
CaseImages = Any


def images_of(images: CaseImages) -> tuple[Any, ...]:
    """Volume nodes and paths of a case, one a channel."""
    return tuple(images) if isinstance(images, (tuple, list)) else (images,)


def channels_of(cases: Sequence[CaseImages]) -> tuple[str, ...]:
    """The names of the channels, as the first case that names them has them; () if none does."""
    return next((tuple(map(str, images)) for images in cases if isinstance(images, Mapping)), ())


def in_order(images: CaseImages, channels: Sequence[str]) -> CaseImages:
    """The images of a case in the order of the channels; those that have no names are in it already.

    Raises:
        DataError: a channel is missing, or there is one of another name.
    """
    if not isinstance(images, Mapping):
        return images
    name = next((name_of_image(image) for image in images.values()), "a case")
    missing = [channel for channel in channels if channel not in images]
    if missing:
        raise DataError(f"case '{name}' has no {missing[0]}; give the images {listed(tuple(channels))}.")
    unknown = [channel for channel in images if channel not in channels]
    if unknown:
        raise DataError(f"case '{name}' has an image '{unknown[0]}', expected {listed(tuple(channels))}; leave it out.")
    return tuple(images[channel] for channel in channels)


def first_image(images: CaseImages) -> Any:
    """The volume node or path that a case is called after, on whose grid its results lie."""
    return next(iter(images_of(images)), None)


def is_path(image: Any) -> bool:
    """Whether an image lies on disk."""
    return isinstance(image, (str, Path))


def absolute(path: Union[str, Path]) -> str:
    """A path as a datalist has it."""
    return str(Path(path).expanduser().absolute())


def path_key(path: Union[str, Path]) -> str:
    """The same for a file however its path is written."""
    return os.path.normcase(os.path.abspath(path))


def name_of_image(image: Any) -> str:
    """The name of a volume node, or of a file without its ending; raises DataError where it is neither."""
    require_node_or_path(image)
    return image_name(image) if is_path(image) else image.GetName() or ""


def require_node_or_path(image: Any) -> None:
    """Raise DataError for what the console may be given in place of a node, such as a numpy array; None is a gap."""
    if image is not None and not is_path(image) and not hasattr(image, "IsA"):
        raise DataError(
            f"expected a volume node or the path of an image, got {_in_words(image)}; make a node of an array with "
            "slicer.util.addVolumeFromArray."
        )


def as_list(given: Any) -> list[Any]:
    """What a call was given as a list, or as a single one; None is none."""
    if given is None:
        return []
    try:
        return [given] if isinstance(given, (str, Path, Mapping)) or hasattr(given, "IsA") else list(given)
    except TypeError as error:
        raise DataError(f"expected a list of volumes, got {_in_words(given)}; give [volume, ...].") from error


def as_pairs(given: Any, name: str) -> list[tuple[CaseImages, Any]]:
    """The pairs that a call was given under a name; raises DataError where they are none."""
    pairs = [] if isinstance(given, Mapping) else as_list(given)
    is_pair = [isinstance(pair, (tuple, list)) and len(pair) == 2 for pair in pairs]
    if isinstance(given, Mapping) or not all(is_pair):
        wrong = given if isinstance(given, Mapping) else pairs[is_pair.index(False)]
        raise DataError(
            f"'{name}' must be a list of pairs, [(volume, segmentation), ...], got {_in_words(wrong)}; put each volume "
            "with its segmentation."
        )
    return [(images, label) for images, label in pairs]


def _in_words(value: Any) -> str:
    return f"'{value.GetName()}'" if hasattr(value, "GetName") else f"an object of type {type(value).__name__}"


def require_usable_volume(volume: Any) -> None:
    """Raise DataError, naming the volume, unless it is a single-valued image on an upright grid."""
    if volume is None or not volume.IsA("vtkMRMLScalarVolumeNode"):
        kind = "nothing" if volume is None else f"'{volume.GetName()}' ({volume.GetNodeTagName()})"
        raise DataError(f"expected a scalar volume, got {kind}; choose an image volume.")
    name = volume.GetName()
    if volume.IsA("vtkMRMLLabelMapVolumeNode"):
        raise DataError(f"'{name}' is a label map, expected an image; choose the image it was drawn on.")
    image = volume.GetImageData()
    if image is None or image.GetPointData().GetScalars() is None:
        raise DataError(f"the volume '{name}' has no voxels; load its image first.")
    components = image.GetNumberOfScalarComponents()
    if components != 1:
        raise DataError(
            f"the volume '{name}' has {components} values a voxel (color, vector or 4D data), expected 1; "
            "extract one channel or time point."
        )
    placement_of(volume).require_upright(f"the volume '{name}'")


def require_segmentation(node: Any, owner: str) -> None:
    """Raise DataError, naming the volume that it belongs to, unless a node is a segmentation."""
    if node is None:
        raise DataError(f"'{owner}' has no segmentation; choose one, or use the volume as unlabeled.")
    if not hasattr(node, "IsA"):
        raise DataError(f"'{owner}' is paired with {_in_words(node)}, expected a segmentation node; give that.")
    if not node.IsA("vtkMRMLSegmentationNode"):
        raise DataError(
            f"'{owner}' is paired with '{node.GetName()}' ({node.GetNodeTagName()}), expected a segmentation; "
            "convert a label map to a segmentation first."
        )


def require_images(cases: Sequence[CaseImages], channels: Sequence[str] = ()) -> None:
    """Raise DataError, naming the case, unless all images can be used, and each case has all channels.

    Without names of channels, each has as many as the case with the most images.
    """
    count = max((len(images_of(images)) for images in cases), default=1)
    for images in cases:
        parts = images_of(images)
        for part in parts:
            require_node_or_path(part)
        name = name_of_image(parts[0]) if parts and parts[0] is not None else "a case"
        require_all_channels(name, [str(part) for part in parts], names_of(channels, count))
        _require_same_transform([part for part in parts if not is_path(part) and part is not None])
    every = [image for images in cases for image in dict.fromkeys(images_of(images))]
    volumes = [image for image in every if not is_path(image)]
    for number, volume in enumerate(volumes):
        require_usable_volume(volume)
        if volume in volumes[:number]:
            raise DataError(f"the volume '{volume.GetName()}' is given twice; use it once.")
    require_files([image for image in every if is_path(image)])


def require_files(paths: Sequence[Union[str, Path]]) -> None:
    """Raise DataError unless files exist, each given once."""
    seen = set()
    for path in paths:
        if not Path(path).expanduser().exists():
            raise DataError(f"'{path}' does not exist; correct the path, or take the case off the list.")
        place = Path(path).expanduser().resolve()
        if place in seen:
            raise DataError(f"the image '{path}' is given twice; use it once.")
        seen.add(place)


def _require_same_transform(volumes: Sequence[Any]) -> None:
    """A file holds a volume as it lies without its transform: two of one case must not move against each other."""
    if len({volume.GetTransformNodeID() for volume in volumes}) > 1:
        names = " and ".join(f"'{volume.GetName()}'" for volume in volumes)
        raise DataError(f"{names} are under different transforms; harden the transforms, or put both under the same.")


@dataclass(frozen=True)
class LabelFile:
    """A label map on disk, and what its values mean: value -> name; 0 is the background."""

    path: str
    names: Mapping[int, str]

    @property
    def name(self) -> str:
        """The file's name, for messages."""
        return Path(self.path).name

    def fits(self, labels: Sequence[Label]) -> bool:
        """Whether its values mean what `labels` say, so that the file can be used as it is."""
        return {label.value: label.name for label in labels} == dict(self.names)

    def names_in_file(self, segments: Optional[Sequence[FileSegment]] = None) -> Mapping[int, str]:
        """What its values mean by the names that the file itself has; `names` where it has none.

        Args:
            segments: in its header, if they are known already; None: they are read.

        Raises:
            DataError: the file names a value otherwise, by a name that `names` has not.
        """
        classes = tuple(Label(value, name) for value, name in self.names.items() if value > 0)
        meaning = meaning_of(Case("", Role.TRAINING, self.path, self.path, classes=classes), segments)
        return self.names if meaning is None else {value: self.names[target] for value, target in meaning.items()}


def label_type(labels: Sequence[Label]) -> type[np.generic]:
    """The smallest voxel type that holds all values."""
    return np.uint8 if max(label.value for label in labels) < 256 else np.uint16
