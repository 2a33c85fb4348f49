from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from stub_networks import TINY

from coranet.contract.config import TrainConfig, TrainingConfig
from coranet.data.mixing import Mixing
from coranet.data.patches import LabeledBatch, UnlabeledBatch
from coranet.machine.distributed import Team
from coranet.methods import METHODS
from coranet.methods.deep_supervision import NAME, DeepSupervision, at_middles, own_and_known
from coranet.methods.method import heads_loss
from coranet.networks import CoraNet, HeadLogits
from coranet.training.state import TrainingState
from coranet.training.step import Stepper

# Three steps down: two coarser levels of the decoders.
DEEP = replace(
    TINY, patch_size_kji=(4, 16, 16), strides=((1, 2, 2), (2, 2, 2), (1, 2, 2)), kernels=((3, 3, 3),) * 4
)  # fmt: skip
FORMS = {
    "three decoders": DEEP,
    "classifiers": replace(DEEP, decoders="classifiers"),
    "folded": replace(DEEP, decoders="branches", stem="folded"),
    "slices": replace(
        DEEP, backbone="unet", slice_axis=0, patch_size_kji=(2, 16, 16), strides=((1, 2, 2),) * 3,
        kernels=((1, 3, 3),) * 4,
    ),
}  # fmt: skip
ALPHA = 5.0


def batches(architecture, count: int = 2) -> tuple[LabeledBatch, UnlabeledBatch]:
    images = torch.randn(3, count, 1, *architecture.patch_size_kji, generator=torch.Generator().manual_seed(4))
    return LabeledBatch(images[0], (images[0, :, 0] > 0.5).long()), UnlabeledBatch(images[1], images[2])


@pytest.mark.parametrize(("form", "steps"), [
    ("three decoders", [(1, 2, 2), (2, 4, 4)]), ("classifiers", [(1, 2, 2), (2, 4, 4)]), ("folded", [(2, 4, 4)]),
    ("slices", [(1, 2, 2), (1, 4, 4)]),
])  # fmt: skip
def test_the_loss_is_that_of_each_level_with_its_weight(form, steps):
    torch.manual_seed(0)
    student, deep = CoraNet(FORMS[form]), DeepSupervision(FORMS[form], 0.5, ALPHA)
    labeled, unlabeled = batches(FORMS[form])
    with deep.watching(student) as features:
        student(torch.cat([labeled.images, unlabeled.student_images]))
        student(unlabeled.student_images)
    assert len(deep.levels) == len(steps)
    expected = 0.0
    for level, step in enumerate(steps, start=1):
        heads = []
        for head in HeadLogits._fields:
            logits = deep.levels[level - 1][head](features[head, level])
            # Slices follow each other within the batch.
            if form == "slices":
                logits = logits.reshape(4, 2, 3, *logits.shape[2:]).transpose(1, 2)
            heads.append(logits[:2])
        depth, height, width = step
        target = labeled.targets[:, depth // 2 :: depth, height // 2 :: height, width // 2 :: width]
        assert heads[0].shape == (2, 3, *target.shape[1:])
        expected += 0.5**level * heads_loss(HeadLogits(*heads), target, ALPHA).item()
    assert deep.loss(features, labeled, unlabeled).item() == pytest.approx(expected, rel=1e-5)


def test_each_head_is_supervised_where_it_reads():
    separate, shared = CoraNet(DEEP), CoraNet(FORMS["classifiers"])
    assert len({id(separate.decoder_of(head)) for head in HeadLogits._fields}) == 3
    assert {id(shared.decoder_of(head)) for head in HeadLogits._fields} == {id(shared.decoder)}


def test_of_a_block_the_voxel_at_its_middle_counts():
    values = torch.arange(2 * 3 * 4).reshape(1, 2, 3, 4)
    assert at_middles(values, (1, 3, 2)).tolist() == [[[[5, 7]], [[17, 19]]]]
    assert torch.equal(at_middles(values, (1, 1, 1)), values)


def test_what_comes_from_other_patches_teaches_nothing():
    labeled, unlabeled = batches(DEEP)
    box = (slice(0, 4), slice(2, 9), slice(3, 7))
    mixed = unlabeled._replace(mixing=Mixing(((1, 2, box),)))
    known = own_and_known(labeled, mixed)
    assert known[0].all() and not known[1][box].any() and known[1].sum() == 4 * 16 * 16 - 4 * 7 * 4
    part = torch.rand(labeled.targets.shape, generator=torch.Generator().manual_seed(1)) > 0.5
    assert torch.equal(own_and_known(labeled._replace(known=part), mixed), part & known)


@pytest.mark.parametrize("unlabeled", ["none", "unmixed", "mixed among themselves"])
def test_where_nothing_comes_from_others_all_that_is_known_teaches(unlabeled):
    labeled, others = batches(DEEP)
    box = (slice(0, 1), slice(0, 1), slice(0, 1))
    batch = {"none": None, "unmixed": others}.get(unlabeled, others._replace(mixing=Mixing(((2, 3, box),))))
    assert own_and_known(labeled, batch) is None


def a_state(device, method: str = "coranet", **settings) -> TrainingState:
    config = TrainConfig(training=TrainingConfig(pretraining_steps=4, self_training_steps=6, method=method, **settings))
    return TrainingState(config, FORMS["classifiers"], device)


@pytest.mark.parametrize(
    "method", [name if name == "coranet" else pytest.param(name, marks=pytest.mark.slow) for name in METHODS]
)
def test_every_method_can_be_supervised_deeply_and_the_model_is_the_same(method, a_cpu):
    state, plain = a_state(a_cpu, method, deep_supervision=0.5), a_state(a_cpu, method)
    for own, other in zip(state.teacher.state_dict().items(), plain.teacher.state_dict().items(), strict=True):
        assert own[0] == other[0] and torch.equal(own[1], other[1])
    assert NAME in state.method.auxiliary and NAME not in plain.method.auxiliary
    labeled, unlabeled = batches(state.method.architecture)
    uses_unlabeled = state.method.uses_unlabeled
    steppers = [Stepper(training_state, a_cpu, Team()) for training_state in (state, plain)]
    more, less = (stepper.losses(labeled, unlabeled if uses_unlabeled else None, 1.0) for stepper in steppers)
    assert more.total > less.total and torch.equal(more.supervised, less.supervised)
    before = [value.clone() for value in state.method.auxiliary[NAME].parameters()]
    assert steppers[0].update(more) is True
    after = state.method.auxiliary[NAME].parameters()
    assert all(not torch.equal(*pair) for pair in zip(before, after, strict=True))


def test_a_network_without_a_coarser_level_loses_nothing(a_cpu):
    deep = DeepSupervision(TINY, 0.5, ALPHA)
    assert len(deep.levels) == 0 and deep.loss({}, *batches(TINY)).item() == 0
