"""Prepared cases for the tests of patches, without a disk."""

from __future__ import annotations

import numpy as np
from scans import nested_ellipsoids

from coranet.contract import Case, Role
from coranet.data.cache import PreparedCase

PADDING = -9.0


def a_prepared_case(shape=(12, 16, 20), name="a", labeled=True, image=None) -> PreparedCase:
    """Two nested classes; every voxel of the image has a value of its own unless another image (D, H, W) is given."""
    labels = nested_ellipsoids(shape, (1, 2)).astype(np.uint8)
    if image is None:
        image = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    foreground = tuple(np.argwhere(labels == index) for index in (1, 2)) if labeled else ()
    role = Role.TRAINING if labeled else Role.UNLABELED
    case = Case(name, role, f"{name}.nrrd", "label.nrrd" if labeled else None)
    return PreparedCase(case, image[None], labels if labeled else None, foreground, (PADDING,))
