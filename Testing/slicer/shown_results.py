"""Results in the scene with their look, and what is drawn of them, in a few letters."""

from __future__ import annotations

import json

from synthetic_predictions import CASE_ID, write_segmented_job

from CoraNetSlicerLib.core.case_volume import find_or_load_volume
from CoraNetSlicerLib.review.overlay_rows import KINDS
from CoraNetSlicerLib.review.overlays import make_surfaces
from CoraNetSlicerLib.review.result_loading import load_prediction


def load_case(context, folder, caution=0.0, surfaces=False):
    """A result in the scene, with its first look, as a segmentation leaves it."""
    folder.parent.mkdir(exist_ok=True)
    job = write_segmented_job(folder)
    file = job.prediction(CASE_ID).result
    file.write_text(json.dumps({**json.loads(file.read_text()), "caution": caution}))
    volume = find_or_load_volume(context, job, job.read_datalist().cases[0])
    loaded = load_prediction(context, job.prediction(CASE_ID), volume)
    if surfaces:
        make_surfaces(loaded.segmentation, loaded.overlays)
    return loaded


def drawn(row) -> tuple[str, str]:
    """What is drawn in slices and in 3D, by letters: r result, c conservative, R radical, u uncertain region, m map."""
    letters = dict(zip(KINDS, "rcRum", strict=True))
    in_slices = "".join(letters[kind] for kind in KINDS if row(kind).visible_2d)
    return in_slices, "".join(letters[kind] for kind in KINDS if row(kind).visible_3d)
