"""Two images a case, from nodes to a model that was improved with a reviewed case: real nodes, real processes."""

from __future__ import annotations

import numpy as np
import pytest
from patience import PATIENCE_S
from scene_builders import LIVER_MASK, SHAPE_KJI, add_segmentation, add_volume, rotated_ijk_to_ras

from coranet.contract import JobStatus
from CoraNetSlicerLib.logic import CoraNetLogic

SETTINGS = {
    "preset": "quick", "network.base_filters": 2, "network.levels": 2, "data.patch_size_kji": (4, 8, 8),
    "training.pretraining_steps": 4, "training.self_training_steps": 4, "training.labeled_batch_size": 1,
    "training.unlabeled_batch_size": 1, "machine.threads": 1, "machine.device": "cpu",
}  # fmt: skip


@pytest.fixture
def two_images(context):
    """Adds T1, which is noise, and FLAIR, which shows the liver: `two_images("P1")`."""

    def add(name: str):
        random = np.random.default_rng([*map(ord, name)])
        voxels = {"T1": random.normal(100, 20, SHAPE_KJI), "FLAIR": random.normal(10, 2, SHAPE_KJI) + 50 * LIVER_MASK}
        return {
            channel: add_volume(context, f"{name} {channel}", array.astype(np.float32), rotated_ijk_to_ras())
            for channel, array in voxels.items()
        }

    return add


@pytest.mark.slow
def test_two_images_a_case_all_the_way(context, awkward_path, two_images):
    logic = CoraNetLogic(context, jobsFolder=awkward_path / "jobs")
    cases = [two_images(name) for name in ("P1", "P2", "P3")]
    labeled = [
        (images, add_segmentation(context, f"{number} truth", images["T1"], {"Liver": LIVER_MASK}))
        for number, images in enumerate(cases[:2])
    ]
    training = logic.train(labeled, cases[2:], settings=SETTINGS)
    assert training.wait(PATIENCE_S) is JobStatus.FINISHED
    segmentation = logic.segment([{"FLAIR": cases[2]["FLAIR"], "T1": cases[2]["T1"]}], model=training)
    assert segmentation.wait(PATIENCE_S) is JobStatus.FINISHED
    (loaded,) = logic.loadResults(segmentation, show=False)
    assert loaded.volume is cases[2]["T1"]
    assert logic.regions("P3 T1").regions.regions
    logic.resolveRegion("P3 T1", 1, "radical")
    better = logic.improve(training, ["P3 T1"], settings={"training.self_training_steps": 2})
    assert better.wait(PATIENCE_S) is JobStatus.FINISHED
    datalist = better.job.read_datalist()
    assert datalist.channels == ("T1", "FLAIR")
    assert [(len(case.images), case.is_partial) for case in datalist.cases] == [(2, False), (2, False), (2, True)]
