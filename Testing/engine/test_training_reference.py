"""What a training keeps of its scans."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scans import grid_of
from small_jobs import training_job
from torch import nn

from coranet.contract import Case, Role
from coranet.data.box import Box
from coranet.data.cache import PreparedCase
from coranet.inference.network_pass import SlidingWindow
from coranet.inference.windows import WindowRule
from coranet.job_process.worker import work_on
from coranet.model_package import ModelPackage
from coranet.networks import HeadLogits
from coranet.plausibility.reference import Reference
from coranet.plausibility.traits import fine_detail
from coranet.training.cases import TrainingCases
from coranet.training.reference import reference_of
from coranet.volume import write_volume

SIZE, SPACING = (6, 8, 10), (2.0, 1.5, 4.0)
VOXEL_ML = 0.012


class NamesWhatIsBright(nn.Module):
    """Class 1 where the intensity is above 0."""

    def forward(self, images: torch.Tensor) -> HeadLogits:
        head = torch.cat([-images, images], 1)
        return HeadLogits(head, head, head)


@pytest.fixture
def a_case(tmp_path):
    """Makes prepared cases whose scan has the same voxels as the network sees."""

    def make(name: str, role: Role, seed: int = 0, box: Box | None = None) -> PreparedCase:
        path = tmp_path / f"{name}.nrrd"
        image = np.random.default_rng(seed).normal(0, 2, SIZE).astype(np.float16)
        write_volume(path, image.astype(np.float32), grid_of(SIZE[::-1], SPACING))
        labels = None if role is Role.UNLABELED else (image > 1).astype(np.uint8)
        case = Case(name, role, str(path), None if labels is None else "label.nrrd")
        inside = (slice(None),) * 3 if box is None else box.slices
        return PreparedCase(
            case, image[None][(slice(None), *inside)], labels if box is None else None, (), (0.0,), box=box
        )

    return make


@pytest.fixture
def measured(a_cpu):
    def run(labeled=(), unlabeled=(), validation=(), most_voxels=1e9):
        window = SlidingWindow(WindowRule(SIZE, 0.5), a_cpu, 2)
        cases = TrainingCases(tuple(labeled), tuple(unlabeled), tuple(validation), ("organ",))
        return reference_of(NamesWhatIsBright(), cases, window, most_voxels)

    return run


def test_labels_say_volumes_and_the_network_is_asked_about_the_others(a_case, measured):
    known, unlabeled = a_case("a", Role.TRAINING, 1), a_case("b", Role.UNLABELED, 2)
    reference = measured([known], [unlabeled], [a_case("c", Role.VALIDATION, 3)])
    first, second, third = reference.cases
    assert reference.names == ("organ",)
    assert first.confidence is None and first.volume_ml == (pytest.approx(known.labels.sum() * VOXEL_ML),)
    assert second.volume_ml == (pytest.approx((unlabeled.image > 0).sum() * VOXEL_ML),)
    assert second.detail == pytest.approx(fine_detail(unlabeled.image), abs=1e-3)
    shares = 1 / (1 + np.exp(-2 * unlabeled.image.astype(float)))
    is_named = unlabeled.image > 0
    expected = 2 * shares[is_named].sum() / (shares.sum() + is_named.sum())
    assert second.confidence == pytest.approx(expected, abs=1e-3)
    assert third.confidence is not None


def test_what_is_known_in_part_says_no_volume(a_case, measured):
    partial = replace(a_case("a", Role.TRAINING), known=np.ones(SIZE, np.uint8))
    assert measured([partial], [a_case("b", Role.UNLABELED)]).cases[0].confidence is not None


def test_the_boxes_of_a_case_count_together(a_case, measured):
    whole = a_case("a", Role.UNLABELED)
    boxes = [a_case("a", Role.UNLABELED, box=Box(*ends)) for ends in (((0, 0, 0), (3, 8, 10)), ((3, 0, 0), (6, 8, 10)))]
    (together,), (alone,) = measured(unlabeled=boxes).cases, measured(unlabeled=[whole]).cases
    assert together.volume_ml == (pytest.approx(alone.volume_ml[0]),)
    assert together.confidence == pytest.approx(alone.confidence)


@pytest.mark.slow
def test_no_more_is_measured_than_the_training_allows(a_case, measured):
    cases = [a_case(f"u{number:02}", Role.UNLABELED, number) for number in range(40)]
    voxels = cases[0].image.size
    affordable = {0: 2, 1: 5, 1.7: 8, 7: 8, 10: 10, 100: 32}
    for times, count in affordable.items():
        assert len(measured(unlabeled=cases, most_voxels=times * voxels).cases) == count


@pytest.mark.slow
@pytest.mark.parametrize(("chosen", "is_kept"), [("on", True), ("off", False)])
def test_a_model_keeps_it_unless_nobody_wants_it(tmp_path, a_phantom_set, chosen, is_kept):
    job = training_job(tmp_path / "job", a_phantom_set, training__quality_reference=chosen)
    assert work_on(job, resume=False) == 0
    reference = Reference.from_card(ModelPackage.read(job.folder).card)
    assert (reference is not None) == is_kept
    assert reference is None or len(reference.cases) == 4
