from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from stub_networks import TINY, FixedHeads, batches_of

from coranet.contract.config import TrainConfig, TrainingConfig, require_effect
from coranet.contract.errors import ConfigError
from coranet.data.mixing import Mixing
from coranet.machine.distributed import Team
from coranet.methods import Networks
from coranet.methods.coranet import CoraNetMethod, teacher_loss
from coranet.methods.method import heads_loss, student_logits, supervised_loss
from coranet.methods.views import features_left_out, logits_of_views
from coranet.networks import CoraNet, HeadLogits
from coranet.training.state import TrainingState
from coranet.training.step import Stepper
from coranet.uncertainty import certain_region, named_classes

FORMS = {
    "volumes": TINY,
    "slices": replace(
        TINY, backbone="unet", slice_axis=0, patch_size_kji=(2, 12, 16), strides=((1, 2, 2),), kernels=((1, 3, 3),) * 2
    ),
}


def batches(architecture=TINY, views: int = 3, mixing: Mixing | None = None):
    labeled, unlabeled = batches_of(shape=architecture.patch_size_kji)
    second = torch.randn(2, 1, *architecture.patch_size_kji, generator=torch.Generator().manual_seed(3))
    return labeled, unlabeled._replace(second_images=second if views > 1 else None, mixing=mixing)


def of_patches(heads: HeadLogits, part: slice) -> HeadLogits:
    return HeadLogits(*(head[part] for head in heads))


def assert_same(found: HeadLogits, expected: HeadLogits) -> None:
    for first, second in zip(found, expected, strict=True):
        torch.testing.assert_close(first, second)


def test_one_view_is_what_every_method_sees():
    student, (labeled, unlabeled) = CoraNet(TINY), batches(views=1)
    on_labeled, [(weight, view)] = logits_of_views(student, labeled, unlabeled)
    expected = student_logits(student, labeled, unlabeled)
    assert weight == 1.0
    assert_same(on_labeled, expected[0])
    assert_same(view, expected[1])


@pytest.mark.parametrize("mixing", ["none", "unlabeled", "labeled"])
def test_three_views_go_through_the_student_in_one_pass(mixing):
    # Instance normalization: what is in a batch does not change what is said of its patches.
    student = CoraNet(TINY)
    box = (slice(1, 4), slice(2, 9), slice(3, 7))
    exchanges = {"none": None, "unlabeled": Mixing(((2, 3, box),)), "labeled": Mixing(((0, 2, box),))}[mixing]
    labeled, unlabeled = batches(mixing=exchanges)
    passes = []
    hook = student.register_forward_hook(lambda _, inputs, __: passes.append(len(inputs[0])))
    on_labeled, views = logits_of_views(student, labeled, unlabeled)
    hook.remove()
    assert passes == [8] and [weight for weight, _ in views] == [0.25, 0.25, 0.5]
    expected = student_logits(student, labeled, unlabeled)
    assert_same(on_labeled, expected[0])
    assert_same(views[0][1], expected[1])
    again = unlabeled.second_images
    if mixing == "unlabeled":
        alone = Mixing(((0, 1, box),))
        assert_same(views[1][1], HeadLogits(*map(alone.apply, student(alone.apply(again)))))
    else:
        # No box of a labeled patch: these are not seen a second time.
        assert_same(views[1][1], student(again))
    plain = student(unlabeled.teacher_images)
    assert not any(torch.allclose(first, second) for first, second in zip(views[2][1], plain, strict=True))


@pytest.mark.parametrize("form", FORMS)
def test_half_of_the_features_of_the_last_patches_are_left_out_at_every_level(form):
    student = CoraNet(FORMS[form])
    images = torch.randn(3, 1, *FORMS[form].patch_size_kji)
    received = []
    hook = student.encoder.register_forward_hook(lambda _, __, features: received.append(features))
    plain = student.encoder(images if form == "volumes" else images.movedim(2, 1).flatten(0, 1))
    hook.remove()
    with features_left_out(student, 1):
        hook = student.encoder.register_forward_hook(lambda _, __, features: received.append(features))
        student(images)
        hook.remove()
    for kept, thinned in zip(plain, received[-1], strict=True):
        last = len(kept) // 3
        torch.testing.assert_close(thinned[:-last], kept[:-last])
        sums = thinned[-last:].abs().flatten(2).sum(2)
        is_left_out = sums == 0
        torch.testing.assert_close(thinned[-last:][~is_left_out], 2 * kept[-last:][~is_left_out])
    assert not student._forward_pre_hooks and not student.encoder._forward_hooks


def test_the_losses_are_weighted_means_over_the_views(monkeypatch):
    answers = [FixedHeads(3, 2, seed) for seed in range(4)]
    logits = [HeadLogits(*answer.heads) for answer in answers]
    weights = (0.25, 0.25, 0.5)
    monkeypatch.setattr(
        "coranet.methods.coranet.logits_of_views",
        lambda *_: (logits[0], list(zip(weights, logits[1:], strict=True))),
    )  # fmt: skip
    config, teacher, (labeled, unlabeled) = TrainingConfig(student_views="three"), FixedHeads(3, 2, 9), batches_of()
    method = CoraNetMethod(TINY, config)
    losses = method.self_train(Networks(answers[0], teacher, teacher), labeled, unlabeled, 0.5)
    averaged = teacher(unlabeled.teacher_images)
    certain = certain_region(averaged.conservative, averaged.radical)
    taught, alpha = named_classes(averaged.segmentation), config.misclassification_cost
    expected = [
        sum(
            weight * heads_loss(logit, taught, alpha, certain)
            for weight, logit in zip(weights, logits[1:], strict=True)
        ),
        sum(
            weight * teacher_loss(logit, averaged, ~certain) for weight, logit in zip(weights, logits[1:], strict=True)
        ),
    ]
    torch.testing.assert_close(losses.certain, expected[0].detach())
    torch.testing.assert_close(losses.uncertain, expected[1].detach())
    weighted = config.certain_weight * expected[0]
    weighted = weighted + config.uncertain_weight * config.consistency_weight * expected[1]
    torch.testing.assert_close(losses.total, supervised_loss(logits[0], labeled, alpha) + 0.5 * weighted)


def test_a_step_with_three_views_is_drawn_again_as_it_was(a_cpu):
    found = []
    for _ in range(2):
        config = TrainConfig(training=TrainingConfig(student_views="three"))
        state = TrainingState(config, replace(TINY, normalization="batch"), a_cpu)
        assert state.method.student_views == 2
        found.append(Stepper(state, a_cpu, Team()).losses(*batches(), 1.0).total)
    assert torch.equal(*found) and found[0].requires_grad


def test_for_other_methods_it_has_no_effect():
    config = TrainConfig(training=TrainingConfig(method="mean_teacher", student_views="three"))
    with pytest.raises(ConfigError, match=r"'training\.student_views' has no effect where 'training\.method' is"):
        require_effect(config, ["training.student_views"])
    require_effect(replace(config, training=TrainingConfig(student_views="three")), ["training.student_views"])
