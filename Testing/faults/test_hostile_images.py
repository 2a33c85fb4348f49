"""Hostile image files: the voxels that were written, or one sentence."""

from __future__ import annotations

import numpy as np
import pytest
from amounts import counts
from hostile_images import ROWS, Row
from readers import READERS, answer_of

# A header that leaves something out may be read where what is left says all, such as an origin of 0.
MAY_BE_READ = {
    "NRRD, no space directions",
    "NRRD, a file of data elsewhere",
    "NRRD, an absolute file of data",
    "NRRD, a bomb",
    "NIfTI, type 4 of -16 bits",
    "MetaImage, negative spacing",
    # nifticlib, which ITK and Slicer read NIfTI with, takes what is not a number for 0.
    "nothing but NaN",
}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_rows(tmp_path, row: Row):
    path = tmp_path / row.file
    try:
        row.write(path)
    except OSError:
        pytest.skip("this system makes no such file")
    answer = answer_of(READERS[row.reader], path)
    counts["hostile images"] += 1
    if answer.refusal:
        assert row.right is None or row.may_refuse, answer.refusal
        assert answer.refusal.startswith("'"), "it names no file"
    elif row.right is not None:
        assert np.array_equal(answer.value, row.right)
    else:
        assert row.name in MAY_BE_READ, f"it was read: {np.shape(answer.value)}"


def test_there_are_enough_rows_and_each_has_a_name_of_its_own():
    names = [row.name for row in ROWS]
    assert len(set(names)) == len(names) >= 200
