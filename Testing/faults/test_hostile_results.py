"""Hostile result images on Slicer's side: read right or refused, and no crash."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import slicer
from amounts import counts
from hostile_images import ROWS, Row
from readers import answer_of

from CoraNetSlicerLib.core.images import read_image, require_checksum, voxel_values

# Slicer reads more than the engine writes; what it makes of it must lie on the grid of the scan to be taken.
_MAY_BE_READ = ("NRRD, no space", "NRRD, NaN", "NRRD, infinite", "NRRD, parallel", "NRRD, an axis", "NRRD, a header",
                "NRRD, an absolute file", "NRRD, a file of data", "NRRD, two directions", "NRRD, a long line",
                "NRRD, a negative", "label map", "complex", "RGB", "one ", "two dim", "four dim", "64 bits", "nothing",
                "NRRD, itself", "NRRD, a bomb")  # fmt: skip


def voxels_of(path: Path) -> np.ndarray:
    """The voxels of a result image, flat, as `ResultLoading` reads them."""
    require_checksum(path)
    return voxel_values(read_image(path, slicer.vtkMRMLScalarVolumeNode()))


@pytest.mark.parametrize("row", [row for row in ROWS if row.file == "a.nrrd"], ids=lambda row: row.name)
def test_rows(tmp_path, row: Row):
    try:
        row.write(tmp_path / row.file)
    except OSError:
        pytest.skip("this system makes no such file")
    answer = answer_of(voxels_of, tmp_path / row.file)
    counts["hostile images on Slicer's side"] += 1
    if row.right is not None and not answer.refusal:
        assert np.array_equal(answer.value, row.right.ravel())
    elif row.right is None and not row.name.startswith(_MAY_BE_READ):
        assert answer.refusal, f"it was read: {np.shape(answer.value)}"
