"""What a training decides before its first step: validation cases, preprocessing, network, patch and batch."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..coarse.scans import LabeledScan
from ..config import TrainConfig
from ..data.cache import read_labeled_pair
from ..data.datalist import with_validation_cases
from ..data.preprocessing import Preprocessing, ScanStatistics, fit_preprocessing, median_prepared_size
from ..data.scans import images_on_other_grids
from ..devices import Device
from ..errors import DataError, JobError, ModelError
from ..events import Noted, Warned
from ..job import Datalist, Job, Role
from ..methods import METHODS
from ..model_package import ModelPackage
from ..networks import Architecture, backbone_reason, plan_architecture
from ..networks.architecture import product
from ..reporting import Reporter
from .memory import BatchSizes, MemoryPlan, activation_bytes_per_voxel, plan_memory, wished_batch_sizes
from .sentences import steps_sentence
from .steps import Durations, StepPlan
from .structures import Structures
from .timed import (
    FEW_STEPS,
    LabeledScans,
    expected_steps,
    final_steps,
    plan_in_time,
    preparing_s,
    seconds_for_steps,
    speed_of,
)
from .warm_start import history_after, reviewed_regions, with_labels_of
from .workplace import Workplace

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Given:
    """What is settled before a training is planned.

    Attributes:
        initial: the model from which it goes on; None: none.
        margin_mm: along L, P, S, around the labels: what the fine network looks at, after a coarse stage; None: whole
            scans.
    """

    initial: ModelPackage | None = None
    margin_mm: tuple[float, float, float] | None = None


@dataclass(frozen=True)
class Plan:
    """What was decided.

    Attributes:
        preprocessing: of every scan.
        architecture: of the network; says the patch size.
        spacing_dhw: of the median prepared scan, mm.
        batch_sizes: labeled and unlabeled patches a step, in each process.
        history: the models from which the training comes, oldest first, as `ModelCard.history` reads them.
        reviewed_regions: how many decisions on regions it learns from; None: unknown.
        steps: of the training; None: those of the settings.
        sentences: at most three, the plan and its reasons; () where no time was given.
    """

    preprocessing: Preprocessing
    architecture: Architecture
    spacing_dhw: tuple[float, float, float]
    batch_sizes: BatchSizes
    history: tuple[dict[str, Any], ...] = ()
    reviewed_regions: int | None = None
    steps: StepPlan | None = None
    sentences: tuple[str, ...] = ()

    def applied_to(self, config: TrainConfig) -> TrainConfig:
        """The settings with the planned steps and intervals in place of those that were set."""
        return (self.steps or StepPlan.as_set(config.training)).applied_to(config)

    def with_steps(self, durations: Durations, config: TrainConfig, left_s: float, device: Device) -> Plan:
        """The plan with the steps that fit into what is left of the time; these stay.

        Args:
            durations: of the training, as it was measured.
            config: of the training.
            left_s: seconds that are left of its time.
            device: where it computes.
        """
        steps = final_steps(config, left_s, durations)
        sentence = steps_sentence(steps, config.time, device, is_final=True)
        return replace(self, steps=steps, sentences=(*self.sentences[:-1], sentence))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {
            "schema_version": SCHEMA_VERSION,
            "preprocessing": self.preprocessing.to_dict(),
            "architecture": self.architecture.to_dict(),
            "spacing_dhw": list(self.spacing_dhw),
            "batch_sizes": list(self.batch_sizes),
            "history": list(self.history),
            "reviewed_regions": self.reviewed_regions,
            "steps": self.steps.to_dict() if self.steps else None,
            "sentences": list(self.sentences),
        }

    @staticmethod
    def from_dict(content: dict[str, Any]) -> Plan:
        """The inverse of `to_dict`.

        Raises:
            JobError: it was written by another version.
        """
        try:
            if content["schema_version"] != SCHEMA_VERSION:
                raise ValueError(f"schema version {content['schema_version']}")
            depth, height, width = content["spacing_dhw"]
            steps = content.get("steps")
            return Plan(
                Preprocessing.from_dict(content["preprocessing"]), Architecture.from_dict(content["architecture"]),
                (depth, height, width), BatchSizes(*content["batch_sizes"]),
                tuple(content.get("history", ())), content.get("reviewed_regions"),
                StepPlan(**steps) if steps else None, tuple(content.get("sentences", ())),
            )  # fmt: skip
        except (KeyError, TypeError, ValueError, ModelError) as error:
            raise JobError(f"the plan of this training cannot be read ({error}); start a new job.") from error


def checked_datalist(
    job: Job, config: TrainConfig, reporter: Reporter, may_write: bool, initial: ModelPackage | None = None
) -> Datalist:
    """The cases of a job, with some set aside for validation where the list names none.

    Args:
        job: its directory.
        config: of the training.
        reporter: is told of what is thin.
        may_write: keep the list with its validation cases in the job.
        initial: the model from which the training goes on, whose labels are taken; None: none.

    Raises:
        DataError: no labeled case, no label, other labels than the model's, or a file that does not exist.
    """
    datalist = job.read_datalist()
    labeled = datalist.with_role(Role.TRAINING)
    if not labeled:
        raise DataError(f"the datalist of '{job.folder}' has no labeled case; add at least one to 'training'.")
    if not datalist.labels:
        raise DataError(f"the datalist of '{job.folder}' names no label; add at least one.")
    for path in (path for case in datalist.cases for path in case.files):
        if not Path(path).exists():
            raise DataError(f"'{path}' does not exist; correct the path in the datalist.")
    _tell_of_other_grids(datalist, reporter)
    labeled_alike = with_labels_of(initial, datalist) if initial else datalist
    complete = with_validation_cases(labeled_alike, config.data.validation_cases, config.seed)
    if complete != datalist and may_write:
        job.write_datalist(complete)
    _warn_of_thin_data(complete, config, reporter)
    return complete


def _tell_of_other_grids(datalist: Datalist, reporter: Reporter) -> None:
    cases = [case.id for case in datalist.cases if images_on_other_grids(case)]
    if cases:
        count = f"{len(cases)} cases, such as '{cases[0]}', have" if len(cases) > 1 else f"case '{cases[0]}' has"
        reporter.emit(
            Noted(
                "other_grids",
                f"{count} images on different grids; each is resampled to the grid of its case's first image.",
            )
        )


def plan_training(
    config: TrainConfig, datalist: Datalist, workplace: Workplace, reporter: Reporter, given: Given = Given(),
) -> Plan:  # fmt: skip
    """Choose preprocessing, network, patch, batch sizes and steps from the labeled scans, the time and the free memory.

    Where no time is given the steps are those of the settings. Preprocessing, network and patch size of a model from
    which the training goes on stay as they are.

    Args:
        config: of the training.
        datalist: the cases.
        workplace: the machine, and since when the job is done.
        reporter: is told what was decided.
        given: a model from which the training goes on, and what of the scans is looked at.

    Raises:
        DataError: a labeled scan cannot be used.
        ConfigError: the time does not suffice for a training.
    """
    initial = given.initial
    fate = "may be forgotten" if initial else "cannot be learned"
    scans = _labeled_scans(datalist, reporter, fate, given.margin_mm, bool(config.time))
    if initial is not None:
        made = _inherited_plan(config, datalist, workplace, reporter, initial)
        made = _with_steps(made, config, datalist, scans, workplace)
    elif config.time:
        made = _timed_plan(config, datalist, workplace, reporter, scans)
    else:
        made = _new_plan(config, datalist, workplace, reporter, scans.statistics)
    if made.steps is not None and made.steps.total < FEW_STEPS:
        reporter.emit(
            Warned(
                "few_steps",
                f"only {made.steps.total} steps fit into {config.time}, too few to learn much; give more time.",
            )
        )  # fmt: skip
    patch = " x ".join(str(count) for count in made.architecture.patch_size_kji)
    labeled, unlabeled = made.batch_sizes
    reporter.emit(
        Noted("patch", f"patches of {patch} voxels (up-down, front-back, left-right), {labeled} + {unlabeled} a step.")
    )
    return replace(made, history=history_after(initial), reviewed_regions=reviewed_regions(datalist))


def _timed_plan(
    config: TrainConfig, datalist: Datalist, workplace: Workplace, reporter: Reporter, scans: LabeledScans
) -> Plan:
    own = fit_preprocessing(config.data, scans.statistics)
    size = median_prepared_size(own, scans.statistics)
    reporter.emit(Noted("backbone", f"{backbone_reason(config.network, size, own.spacing_mm[::-1])}."))
    made = plan_in_time(config, datalist, scans, workplace, len(own.normalizations))
    along_s, along_p, along_l = made.chosen.spacing_dhw
    spacing = replace(own, spacing_mm=(along_l, along_p, along_s))
    architecture = made.chosen.architecture
    return Plan(
        spacing.keeping_slices(architecture.slice_axis), architecture, made.chosen.spacing_dhw, made.chosen.sizes,
        steps=made.steps, sentences=made.sentences,
    )  # fmt: skip


def _with_steps(
    plan: Plan, config: TrainConfig, datalist: Datalist, scans: LabeledScans, workplace: Workplace
) -> Plan:  # fmt: skip
    """A plan whose network is given, with the steps that fit into the time, where there is one."""
    if not config.time:
        return plan
    step = speed_of(config, datalist, workplace).step(plan.architecture, plan.batch_sizes)
    steps = expected_steps(config, datalist, seconds_for_steps(config, datalist, scans.seconds, workplace), step)
    return replace(plan, steps=steps, sentences=(steps_sentence(steps, config.time, workplace.device, is_final=False),))


def _new_plan(
    config: TrainConfig, datalist: Datalist, workplace: Workplace, reporter: Reporter,
    scans: Sequence[ScanStatistics],
) -> Plan:  # fmt: skip
    preprocessing = fit_preprocessing(config.data, scans)
    size, spacing = median_prepared_size(preprocessing, scans), preprocessing.spacing_mm[::-1]
    classes, channels = len(datalist.labels) + 1, len(preprocessing.normalizations)
    reporter.emit(Noted("backbone", f"{backbone_reason(config.network, size, spacing)}."))
    architecture = plan_architecture(config.network, config.data, size, spacing, classes)
    architecture = replace(architecture, in_channels=channels)
    memory = _plan_memory(config, datalist, architecture, workplace)
    if memory.lowered:
        reporter.emit(Noted("memory", memory.lowered))
        architecture = plan_architecture(config.network, config.data, size, spacing, classes, memory.patch_voxels)
        architecture = replace(architecture, in_channels=channels)
    return Plan(preprocessing.keeping_slices(architecture.slice_axis), architecture, spacing, memory.batch_sizes)


def _inherited_plan(
    config: TrainConfig, datalist: Datalist, workplace: Workplace, reporter: Reporter, initial: ModelPackage
) -> Plan:
    architecture, preprocessing = initial.architecture, initial.preprocessing
    reporter.emit(
        Noted(
            "initial_model",
            f"the training goes on from the model '{initial.folder}', with its network, patch size and preprocessing.",
        )
    )
    fixed = replace(config, data=replace(config.data, patch_size_kji=architecture.patch_size_kji))
    memory = _plan_memory(fixed, datalist, architecture, workplace)
    if memory.lowered:
        reporter.emit(Noted("memory", memory.lowered))
    along_l, along_p, along_s = preprocessing.spacing_mm
    return Plan(preprocessing, architecture, (along_s, along_p, along_l), memory.batch_sizes)


def _plan_memory(
    config: TrainConfig, datalist: Datalist, architecture: Architecture, workplace: Workplace
) -> MemoryPlan:  # fmt: skip
    uses_unlabeled = METHODS[config.training.method].uses_unlabeled and bool(datalist.without_all_labels())
    wished = wished_batch_sizes(config.training, architecture.slice_axis is not None, uses_unlabeled)
    return plan_memory(
        workplace.free_bytes,
        activation_bytes_per_voxel(architecture, workplace.device),
        product(architecture.patch_size_kji),
        wished,
        (config.data, config.training),
    )


def _labeled_scans(
    datalist: Datalist, reporter: Reporter, fate: str, margin_mm: tuple[float, float, float] | None, is_timed: bool
) -> LabeledScans:
    values = [label.value for label in datalist.labels]
    scans: list[ScanStatistics] = []
    structures: list[Structures] = []
    seen: set[int] = set()
    seconds = 0.0
    for case in datalist.with_role(Role.TRAINING):
        reporter.stop_if_asked()
        begun = time.monotonic()
        image, labels = read_labeled_pair(case, values)
        if is_timed and not scans:
            seconds = time.monotonic() - begun + preparing_s(image)
        seen.update(value for value in values if (labels.voxels == value).any())
        scan = LabeledScan.of(case.id, image, labels)
        scans.append(scan.looked_at(margin_mm) if margin_mm else scan.statistics)
        structures.append(Structures.of(labels, values))
    for label in datalist.labels:
        if label.value not in seen:
            reporter.emit(Warned("label_absent", f"no labeled case has '{label.name}', so it {fate}."))
    return LabeledScans(scans, structures, seconds, margin_mm is not None)


def _warn_of_thin_data(datalist: Datalist, config: TrainConfig, reporter: Reporter) -> None:
    if not datalist.with_role(Role.VALIDATION):
        reporter.emit(
            Warned(
                "no_validation",
                "no labeled case is set aside for validation, so the model of the last step is kept; "
                "label at least 5 cases to have the best one chosen.",
            )
        )  # fmt: skip
    if not datalist.without_all_labels() and config.training.method != "supervised":
        reporter.emit(Warned("no_unlabeled", "there is no unlabeled case; training is supervised only."))
