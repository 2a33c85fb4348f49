"""What a training keeps of its cases: for a resume, and for the card of its model, which names no case and no file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..contract import Job
from ..contract.events import Warned
from ..contract.files import read_json, write_json_atomic
from .same_scans import LEAKED

SCHEMA_VERSION = 1
# By code: how one of it is called, and several. Models are passed on, and file names may be those of patients.
_ON_CARD = {
    "left_out": ("unlabeled case was unusable and left out", "unlabeled cases were unusable and left out"),
    "no_structure": ("labeled case holds no structure", "labeled cases hold no structure"),
    "no_structure_in_validation": ("validation case holds no structure", "validation cases hold no structure"),
    "inside_out": ("structure lies along whole borders of scans", "structures lie along whole borders of scans"),
    "some_slices": ("structure is drawn on single slices", "structures are drawn on single slices"),
    "same_scan": ("scan has several names", "scans have several names"),
    "same_scan_in_validation": ("validation scan was learned from, too", "validation scans were learned from, too"),
    "same_channel": ("case has one image as two channels", "cases have one image as two channels"),
    "same_label": ("label map lies on several scans", "label maps lie on several scans"),
    "unlike_others": ("case is unlike the others", "cases are unlike the others"),
    "not_found": ("case was not found by the coarse network", "cases were not found by the coarse network"),
    "few_voxels": ("structure is a few voxels large in some case", "structures are a few voxels large in some case"),
}  # fmt: skip


def write_record(
    job: Job, left_out: Mapping[str, str], scans: Mapping[str, Sequence[str]], counts: Mapping[str, int]
) -> None:  # fmt: skip
    """Keep what was found in the cases.

    Args:
        job: of the training.
        left_out: by name of the case why it cannot be used.
        scans: hashes by role (`ModelCard.scans`).
        counts: by code of a warning how often that was found.
    """
    content = {"schema_version": SCHEMA_VERSION, "left_out": dict(left_out), "scans": dict(scans)}
    write_json_atomic(job.training_set_path, {**content, "counts": dict(counts)})


def add_to_record(job: Job, warnings: Sequence[Warned]) -> None:
    """Keep what was found once the training was planned."""
    stored = read_record(job)
    if stored and warnings:
        counts = dict(stored.get("counts") or {})
        for warning in warnings:
            counts[warning.code] = counts.get(warning.code, 0) + 1
        write_json_atomic(job.training_set_path, {**stored, "counts": counts})


def read_record(job: Job) -> dict[str, Any]:
    """What was kept; {} of a training that a version without records started."""
    path = job.training_set_path
    return dict(read_json(path)) if path.exists() else {}


def card_of_cases(job: Job) -> dict[str, Any]:
    """The entries on a model's card about the cases of its training: `ModelCard.scans` and its cautions."""
    stored = read_record(job)
    counts = stored.get("counts") or {}
    leakage = _counted(LEAKED, counts)
    return {
        "scans": stored.get("scans") or {},
        "cautions": [text for code in _ON_CARD if (text := _counted(code, counts))],
        "validation_caution": f"the validation Dice is too good, because {leakage}" if leakage else "",
    }


def _counted(code: str, counts: Mapping[str, int]) -> str:
    count = counts.get(code, 0)
    return f"{count} {_ON_CARD[code][count > 1]}" if count else ""
