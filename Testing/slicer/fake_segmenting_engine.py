"""Stands in for the engine that segments: a real process that keeps the job directory's contract, with a threshold.

A case whose name holds "bad" fails. FAKE_SECONDS_A_CASE in the environment says how long each takes. While the file
of FAKE_HELD_BY exists, no case is done and nothing ends on request: a test looks at it meanwhile.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "CoraNetSlicer"))
import numpy as np
import SimpleITK as sitk

from coranet.contract import Case, Job, ScanIdentity
from coranet.contract.events import Cancelled, CaseDone, CaseFailed, CaseSkipped, Finished, Progress, Started
from coranet.contract.scan_identity import voxel_hash

SECONDS_A_CASE = float(os.environ.get("FAKE_SECONDS_A_CASE", "0.05"))
HELD_BY = os.environ.get("FAKE_HELD_BY", "")
LABELS = [{"value": 1, "name": "Liver", "color": [0.8, 0.4, 0.2], "terminology": ""}]


def is_held() -> bool:
    return os.path.exists(HELD_BY)


def segment(job: Job, case: Case) -> None:
    image = sitk.ReadImage(case.image)
    voxels = sitk.GetArrayFromImage(image).astype(np.float32)
    level = float(np.median(voxels))
    heads = {
        name: voxels > level + shift for name, shift in (("segmentation", 0), ("conservative", 10), ("radical", -10))
    }
    heads["uncertain"] = heads["conservative"] != heads["radical"]
    files = job.prediction(case.id)
    files.folder.mkdir(parents=True, exist_ok=True)
    for name, mask in heads.items():
        write(mask.astype(np.uint8), image, getattr(files, name))
    write(0.6 * heads["uncertain"].astype(np.float32), image, files.uncertainty)
    identity = ScanIdentity(voxel_hash(voxels, image.GetDirection()), image.GetSize(), image.GetSpacing())
    content = {"schema_version": 1, "case": case.id, "labels": LABELS, "caution": 0.0}
    content = {**content, "image": case.image, "scan": identity.to_dict()}
    files.result.write_text(json.dumps(content), encoding="utf-8")


def write(array: np.ndarray, like: sitk.Image, path: Path) -> None:
    image = sitk.GetImageFromArray(array)
    image.CopyInformation(like)
    sitk.WriteImage(image, str(path), useCompression=True)


def run(job: Job) -> int:
    job.claim()
    events = job.open_events()
    cases = job.read_datalist().cases
    events.write(Started(0, len(cases), "cpu", "fake"))
    for number, case in enumerate(cases, start=1):
        start = reported = time.monotonic()
        end = start + SECONDS_A_CASE
        while (time.monotonic() < end or is_held()) and not job.prediction(case.id).skip_requested():
            time.sleep(0.01)
            if time.monotonic() > reported + 0.1:
                reported = time.monotonic()
                left = end - reported + (len(cases) - number) * SECONDS_A_CASE
                part = (reported - start) / SECONDS_A_CASE
                events.write(Progress("segmenting", number - 1, len(cases), left, min(part, 1.0)))
            if job.cancel_requested() and not is_held():
                events.write(Cancelled(number - 1))
                return 130
        if job.prediction(case.id).skip_requested():
            events.write(CaseSkipped(case.id))
        elif "bad" in case.id:
            events.write(CaseFailed(case.id, "the image is flat; check the file."))
        else:
            segment(job, case)
            events.write(CaseDone(case.id, number, len(cases), SECONDS_A_CASE))
        events.write(Progress("segmenting", number, len(cases), 0.0))
    events.write(Finished(f"{len(cases)} cases are segmented.", 1.0))
    return 0


if __name__ == "__main__":
    sys.exit(run(Job.open(sys.argv[2])))
