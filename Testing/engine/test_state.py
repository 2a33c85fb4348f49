from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from coranet.contract.config import TrainConfig, TrainingConfig
from coranet.contract.errors import JobError, StorageError
from coranet.data.patches import LabeledBatch
from coranet.training.state import TrainingState


@pytest.fixture
def make_state(a_tiny_architecture, a_cpu):
    """A new training: `make_state(seed=..., base_filters=..., **training settings)`."""

    def make(seed: int = 0, base_filters: int = 2, **settings) -> TrainingState:
        values = {"pretraining_steps": 4, "self_training_steps": 6, **settings}
        config = TrainConfig(seed=seed, training=TrainingConfig(**values))
        return TrainingState(config, replace(a_tiny_architecture, base_filters=base_filters), a_cpu)

    return make


def learn(state: TrainingState, steps: int = 1) -> None:
    for _ in range(steps):
        generator = torch.Generator().manual_seed(state.step)
        images = torch.randn(1, 1, 8, 12, 16, generator=generator)
        state.set_learning_rate()
        state.optimizer.zero_grad()
        batch = LabeledBatch(images, (images[:, 0] > 0).long())
        state.method.pretrain(state.networks, batch).total.backward()
        state.optimizer.step()
        state.update_teacher()
        state.step += 1


def weights_of(network) -> list[torch.Tensor]:
    return [value.clone() for value in network.state_dict().values()]


def equal(first, second) -> bool:
    return all(torch.equal(*pair) for pair in zip(first, second, strict=True))


def test_the_same_seed_starts_the_same_training(make_state):
    first, again, other = (weights_of(make_state(seed).networks.student) for seed in (1, 1, 2))
    assert equal(first, again)
    assert not equal(first, other)


def test_the_teacher_starts_as_the_student_and_learns_by_no_gradient(make_state):
    state = make_state()
    assert equal(weights_of(state.teacher), weights_of(state.networks.student))
    assert not any(parameter.requires_grad for parameter in state.teacher.parameters())
    assert not state.teacher.training


def test_the_teacher_is_the_moving_average_of_all_students(make_state):
    state = make_state(teacher_decay=0.7)
    expected = weights_of(state.teacher)
    for step in range(6):
        learn(state)
        decay = min(1 - 1 / (step + 1), 0.7)
        students = weights_of(state.networks.student)
        expected = [decay * old + (1 - decay) * new for old, new in zip(expected, students, strict=True)]
    for value, target in zip(weights_of(state.teacher), expected, strict=True):
        torch.testing.assert_close(value, target, atol=1e-6, rtol=1e-5)
    assert not equal(weights_of(state.teacher), weights_of(state.networks.student))


def test_a_late_teacher_averages_over_more_students_where_that_is_set(make_state):
    state = make_state(teacher_decay=0.5, teacher_decay_end=0.9)
    expected = weights_of(state.teacher)
    for step in range(6):
        share = step / state.total_steps
        learn(state)
        decay = min(1 - 1 / (step + 1), 1 - 0.5 ** (1 - share) * 0.1**share)
        students = weights_of(state.networks.student)
        expected = [decay * old + (1 - decay) * new for old, new in zip(expected, students, strict=True)]
    for value, target in zip(weights_of(state.teacher), expected, strict=True):
        torch.testing.assert_close(value, target, atol=1e-6, rtol=1e-5)


def test_the_average_is_that_of_the_teacher_over_the_last_steps(make_state, tmp_path):
    state, teachers = make_state(averaged_share=0.3), []
    for step in range(10):
        if step == 8:
            state.save(tmp_path / "last.pt")
            state = make_state(seed=7, averaged_share=0.3)
            state.load(tmp_path / "last.pt")
        learn(state)
        teachers.append(weights_of(state.teacher))
    assert state.average is not None and state.average.count == 3
    for value, *values in zip(weights_of(state.average.network), *teachers[-3:], strict=True):
        torch.testing.assert_close(value, torch.stack(values).mean(0), atol=1e-6, rtol=1e-5)
    with pytest.raises(JobError, match="belongs to another configuration"):
        make_state(averaged_share=0.3).load(saved_without_average(make_state, tmp_path))


def saved_without_average(make_state, folder):
    assert make_state().average is None
    make_state().save(folder / "other.pt")
    return folder / "other.pt"


def test_counters_of_batch_normalization_are_copied(make_state, a_tiny_architecture, a_cpu):
    config = TrainConfig(training=TrainingConfig(pretraining_steps=4, self_training_steps=0))
    state = TrainingState(config, replace(a_tiny_architecture, normalization="batch"), a_cpu)
    learn(state, 3)
    counters = [value for name, value in state.teacher.state_dict().items() if name.endswith("num_batches_tracked")]
    assert counters and all(counter == 3 for counter in counters)


def test_by_default_the_teacher_labels(make_state):
    state = make_state()
    assert state.networks.pseudo_labeler is state.teacher


def test_a_refreshed_pseudo_labeler_is_the_teacher_of_the_last_refresh(make_state):
    state = make_state(pseudo_label_source="refreshed", refresh_steps=3)
    same = []
    for _ in range(10):
        before = weights_of(state.networks.pseudo_labeler)
        learn(state)
        changed = not equal(before, weights_of(state.networks.pseudo_labeler))
        assert changed == equal(weights_of(state.networks.pseudo_labeler), weights_of(state.teacher))
        same.append(changed)
    # Four steps of pretraining, then a refresh every third step.
    assert same == [True] * 4 + [True, False, False, True, False, False]


def test_the_learning_rate_is_set_for_each_step(make_state):
    state = make_state(learning_rate=0.01)
    assert state.total_steps == 10
    assert state.set_learning_rate() == 0.01
    state.step = 10
    assert state.set_learning_rate() == pytest.approx(0.0001)
    assert [group["lr"] for group in state.optimizer.param_groups] == [pytest.approx(0.0001)]


@pytest.mark.parametrize("source", ["teacher", "refreshed"])
def test_a_training_that_was_saved_goes_on_as_if_it_had_never_stopped(make_state, awkward_path, source):
    whole = make_state(pseudo_label_source=source)
    learn(whole, 3)
    whole.best_dice = 0.5
    whole.save(awkward_path / "last.pt")
    learn(whole, 4)
    resumed = make_state(seed=7, pseudo_label_source=source)
    resumed.load(awkward_path / "last.pt")
    assert (resumed.step, resumed.best_dice) == (3, 0.5)
    learn(resumed, 4)
    for name in ("student", "teacher", "pseudo_labeler"):
        assert equal(weights_of(getattr(resumed.networks, name)), weights_of(getattr(whole.networks, name))), name


def test_a_damaged_checkpoint_is_named(make_state, tmp_path):
    path = tmp_path / "last.pt"
    make_state().save(path)
    whole = path.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", b"not a checkpoint at all" * 20):
        path.write_bytes(damaged)
        with pytest.raises(JobError, match=r"last\.pt' is damaged"):
            make_state().load(path)


def test_a_missing_checkpoint_is_named(make_state, tmp_path):
    with pytest.raises(JobError, match=r"last\.pt' is missing"):
        make_state().load(tmp_path / "last.pt")


def test_a_checkpoint_of_another_network_is_refused(make_state, tmp_path):
    make_state().save(tmp_path / "last.pt")
    with pytest.raises(JobError, match="belongs to another configuration"):
        make_state(base_filters=4).load(tmp_path / "last.pt")
    with pytest.raises(JobError, match="belongs to another configuration"):
        make_state(pseudo_label_source="refreshed").load(tmp_path / "last.pt")


def test_a_checkpoint_cannot_run_code(make_state, tmp_path):
    class Nasty:
        def __reduce__(self):
            return (open, (str(tmp_path / "was-here"), "w"))

    torch.save({"step": Nasty()}, tmp_path / "last.pt")
    with pytest.raises(JobError, match="damaged"):
        make_state().load(tmp_path / "last.pt")
    assert not (tmp_path / "was-here").exists()


def test_a_checkpoint_that_cannot_be_written_leaves_the_one_before(make_state, tmp_path, monkeypatch):
    state = make_state()
    state.save(tmp_path / "last.pt")
    before = (tmp_path / "last.pt").read_bytes()

    def full(*_):
        raise RuntimeError("PytorchStreamWriter failed writing file: file write failed")

    monkeypatch.setattr(torch, "save", full)
    state.step = 5
    with pytest.raises(StorageError, match="disk is full"):
        state.save(tmp_path / "last.pt")
    assert (tmp_path / "last.pt").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["last.pt"]


def test_the_further_networks_of_a_method_are_trained_and_kept(make_state, tmp_path):
    state = make_state(method="umct")
    before = weights_of(state.method.auxiliary)
    learn(state)
    assert before and not equal(weights_of(state.method.auxiliary), before)
    state.save(tmp_path / "last.pt")
    other = make_state(seed=1, method="umct")
    other.load(tmp_path / "last.pt")
    assert equal(weights_of(other.method.auxiliary), weights_of(state.method.auxiliary))
    with pytest.raises(JobError, match="belongs to another configuration"):
        make_state().load(tmp_path / "last.pt")


def test_a_checkpoint_of_another_schema_is_refused(make_state, tmp_path):
    make_state().save(tmp_path / "last.pt")
    content = torch.load(tmp_path / "last.pt", weights_only=True)
    torch.save({**content, "schema_version": 1}, tmp_path / "last.pt")
    with pytest.raises(JobError, match="belongs to another configuration"):
        make_state().load(tmp_path / "last.pt")


def test_the_model_is_the_teacher(make_state):
    state = make_state()
    assert state.teacher is state.networks.teacher


def test_a_training_that_goes_on_starts_from_the_models_weights_with_all_networks(make_state, a_random_model):
    model = a_random_model()
    # The fixture's own network has more filters.
    state = make_state(base_filters=model.architecture.base_filters, pseudo_label_source="refreshed", initial_model="m")
    state.begin_with(model)
    stored = list(torch.load(model.folder / "weights.pt", weights_only=True).values())
    for network in state.networks:
        assert equal(weights_of(network), stored)
    learn(state)
    expected = [0.99 * old + 0.01 * new for old, new in zip(stored, weights_of(state.networks.student), strict=True)]
    for value, target in zip(weights_of(state.teacher), expected, strict=True):
        torch.testing.assert_close(value, target, atol=1e-6, rtol=1e-5)


def test_what_was_before_is_kept_in_the_checkpoint(make_state, tmp_path):
    state, other = make_state(), make_state()
    state.before = {"organ": 0.25, "lesion": None}
    state.save(tmp_path / "last.pt")
    other.load(tmp_path / "last.pt")
    assert other.before == state.before
