"""A training job from its directory to a model folder."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .. import __version__
from ..config import TrainConfig
from ..data.augmentation import Augmentation
from ..data.cache import PreparedCase, prepare_case, read_labeled_pair
from ..data.datalist import with_validation_cases
from ..data.patches import PatchSampler
from ..data.preprocessing import Preprocessing, ScanStatistics, fit_preprocessing, median_prepared_size
from ..devices import Device, choose_device
from ..errors import DataError, JobError
from ..events import Started, Warned
from ..inference import SlidingWindow
from ..job import Datalist, Job, Role
from ..job.files import remove_folder
from ..model_package import ModelPackage
from ..networks import Architecture, plan_architecture
from ..reporting import Pace, Reporter
from ..tensors import load_tensors
from .loop import Trainer, TrainingCases
from .state import TrainingState

PREPARING = "preparing"


def run_training_job(job: Job, resume: bool, reporter: Reporter) -> str:
    """Do a training job.

    Args:
        job: its directory.
        resume: go on from the last checkpoint where there is one.
        reporter: takes events, says when to stop.

    Returns:
        A sentence about what came out.

    Raises:
        CoraNetError: something is wrong with data, settings or disk.
        JobCancelled: stopped on request, after a checkpoint.
    """
    config = job.read_config()
    if not isinstance(config, TrainConfig):
        raise JobError(f"'{job.folder}' is not a training job.")
    if job.last_checkpoint_path.exists() and not resume:
        raise JobError(f"'{job.folder}' was trained before; add --resume to go on, or choose a new folder.")
    device = choose_device(config.machine)
    datalist = _checked_datalist(job, config, reporter)
    preprocessing, architecture = _plan(config, datalist, reporter)
    state = TrainingState(config, architecture, device)
    if job.last_checkpoint_path.exists():
        state.load(job.last_checkpoint_path)
    reporter.emit(Started(state.step, state.total_steps, device.name, __version__))
    cases = _prepare(job, datalist, preprocessing, reporter)
    trainer = _trainer(state, cases, preprocessing, architecture, (reporter, device))
    trainer.run(job.last_checkpoint_path, job.best_checkpoint_path)
    package = ModelPackage(
        job.model_folder, architecture, preprocessing, datalist.labels, _card(job, config, datalist, state)
    )
    _write_model(job, package, state)
    remove_folder(job.cache_folder)
    return _summary(package)


def _checked_datalist(job: Job, config: TrainConfig, reporter: Reporter) -> Datalist:
    datalist = job.read_datalist()
    labeled = datalist.with_role(Role.TRAINING)
    if not labeled:
        raise DataError(f"the datalist of '{job.folder}' has no labeled case; add at least one to 'training'.")
    if not datalist.labels:
        raise DataError(f"the datalist of '{job.folder}' names no label; add at least one.")
    for path in (path for case in datalist.cases for path in (case.image, case.label) if path):
        if not Path(path).exists():
            raise DataError(f"'{path}' does not exist; correct the path in the datalist.")
    complete = with_validation_cases(datalist, config.data.validation_cases, config.seed)
    if complete != datalist:
        job.write_datalist(complete)
    _warn_of_thin_data(complete, reporter)
    return complete


def _warn_of_thin_data(datalist: Datalist, reporter: Reporter) -> None:
    if not datalist.with_role(Role.VALIDATION):
        reporter.emit(
            Warned(
                "no_validation",
                "no labeled case is set aside for validation, so the model of the last step is kept; "
                "label at least 5 cases to have the best one chosen.",
            )
        )  # fmt: skip
    if not datalist.with_role(Role.UNLABELED):
        reporter.emit(Warned("no_unlabeled", "there is no unlabeled case; training is supervised only."))


def _plan(config: TrainConfig, datalist: Datalist, reporter: Reporter) -> tuple[Preprocessing, Architecture]:
    values = [label.value for label in datalist.labels]
    scans: list[ScanStatistics] = []
    seen: set[int] = set()
    for case in datalist.with_role(Role.TRAINING):
        reporter.stop_if_asked()
        image, labels = read_labeled_pair(case, values)
        seen.update(value for value in values if (labels.voxels == value).any())
        scans.append(ScanStatistics.of(image, labels))
    for label in datalist.labels:
        if label.value not in seen:
            reporter.emit(Warned("label_absent", f"no labeled case has '{label.name}', so it cannot be learned."))
    preprocessing = fit_preprocessing(config.data, scans)
    size = median_prepared_size(preprocessing, scans)
    architecture = plan_architecture(config.network, config.data, size, preprocessing.spacing_mm[::-1], len(values) + 1)
    return preprocessing, architecture


def _prepare(job: Job, datalist: Datalist, preprocessing: Preprocessing, reporter: Reporter) -> TrainingCases:
    values = [label.value for label in datalist.labels]
    wanted = datalist.with_role(Role.TRAINING, Role.UNLABELED, Role.VALIDATION)
    done: list[PreparedCase] = []
    pace = Pace(reporter, {PREPARING: len(wanted)})
    for number, case in enumerate(wanted, start=1):
        reporter.stop_if_asked()
        done.append(prepare_case(case, preprocessing, values, job.cache_folder))
        pace.step(PREPARING, number)
    labeled, unlabeled, validation = (
        tuple(one for one in done if one.case.role is role) for role in (Role.TRAINING, Role.UNLABELED, Role.VALIDATION)
    )
    return TrainingCases(labeled, unlabeled, validation, tuple(label.name for label in datalist.labels))


def _trainer(
    state: TrainingState, cases: TrainingCases, preprocessing: Preprocessing, architecture: Architecture,
    tools: tuple[Reporter, Device],
) -> Trainer:  # fmt: skip
    config = state.config
    reporter, device = tools
    augmentation = Augmentation(config.augmentation, architecture.patch_size_kji, preprocessing.spacing_mm[::-1])
    sampler = PatchSampler(augmentation, config.seed, config.data.foreground_patches, config.training.teacher_noise)
    window = SlidingWindow.of(architecture, config.inference, device)
    return Trainer(state, cases, sampler, (window, reporter, device))


def _write_model(job: Job, package: ModelPackage, state: TrainingState) -> None:
    if job.best_checkpoint_path.exists():
        state.teacher.load_state_dict(load_tensors(job.best_checkpoint_path)["teacher"])
    package.write(state.teacher)


def _card(job: Job, config: TrainConfig, datalist: Datalist, state: TrainingState) -> dict[str, Any]:
    best = (
        load_tensors(job.best_checkpoint_path)
        if job.best_checkpoint_path.exists()
        else {"dice": {}, "step": state.step}
    )
    return {
        "validation_dice": best["dice"],
        "best_step": best["step"],
        "steps": state.step,
        "trained_on": dict(Counter(case.role.value for case in datalist.cases if case.role is not Role.TEST)),
        "preset": config.preset,
        "seed": config.seed,
        "created": time.time(),
    }


def _summary(package: ModelPackage) -> str:
    dice: Iterable[tuple[str, float | None]] = package.card["validation_dice"].items()
    scores = ", ".join(f"{name} {value:.3f}" for name, value in dice if value is not None)
    return f"the model is in '{package.folder}'" + (f"; validation Dice: {scores}." if scores else ".")
