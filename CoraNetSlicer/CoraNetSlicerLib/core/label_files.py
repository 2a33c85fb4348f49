"""Label maps that stay on disk, in place of segmentation nodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

import numpy as np
import slicer
from vtkmodules.util.numpy_support import vtk_to_numpy

from coranet.contract import Case, Label, Role
from coranet.contract.errors import DataError
from coranet.contract.image_files import require_readable
from coranet.contract.label_values import require_label_volume, whole_label_values
from coranet.contract.segment_names import FileSegment, match_name, meaning_of

from .images import placement_of, read_image


@dataclass(frozen=True)
class LabelFile:
    """A label map on disk, and what its values mean.

    Attributes:
        path: of the file.
        names: value -> name of what has that value; 0 is the background.
    """

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
            segments: that its header names, where somebody has read them already; None: they are read.

        Raises:
            DataError: the file names a value otherwise, by a name that `names` has not.
        """
        classes = tuple(Label(value, name) for value, name in self.names.items() if value > 0)
        meaning = meaning_of(Case("", Role.TRAINING, self.path, self.path, classes=classes), segments)
        return self.names if meaning is None else {value: self.names[meant] for value, meant in meaning.items()}


def read_as_classes(file: LabelFile, labels: Sequence[Label]) -> tuple[np.ndarray, object]:
    """A label map with the values of `labels` in place of its own; what they do not name becomes background.

    For the console, to look at what a training will learn: the engine reads label files itself. The rules are the same,
    so that both refuse the same files in the same words.

    Returns:
        uint8 (uint16 for values above 255) of shape (k, j, i), and the node that was read, for its grid.

    Raises:
        DataError: the file cannot be read, is no label map, or holds a value without a name.
    """
    path = Path(file.path).expanduser().absolute()
    require_readable(path)
    require_label_volume(path)
    node = read_image(path, slicer.vtkMRMLScalarVolumeNode())
    placement_of(node).require_upright(f"'{path}'")
    image = node.GetImageData()
    values = whole_label_values(vtk_to_numpy(image.GetPointData().GetScalars()), path)
    voxels = values.reshape(tuple(reversed(image.GetDimensions())))
    found = {int(value) for value in np.unique(voxels)}
    names = file.names_in_file()
    unknown = sorted(found - {0, *names})
    if unknown:
        raise DataError(
            f"'{file.path}' has the label value {unknown[0]}, the datalist names {sorted(names)}; "
            "add its name to 'labels' or remove it from the label map."
        )
    value_of = {label.name: label.value for label in labels}
    result = np.zeros(voxels.shape, dtype=label_type(labels))
    for value, own in names.items():
        name = match_name(own, value_of)
        if name is not None and value in found:
            result[voxels == value] = value_of[name]
    return result, node


def label_type(labels: Sequence[Label]) -> type[np.generic]:
    """The smallest voxel type that holds all values."""
    return np.uint8 if max(label.value for label in labels) < 256 else np.uint16
