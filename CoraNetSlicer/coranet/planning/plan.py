"""What a training decides before its first step: validation cases, preprocessing, network, patch and batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from typing import Any

from ..contract import Datalist, Job, Role
from ..contract.codec import from_json, to_json
from ..contract.config import TrainConfig
from ..contract.errors import DataError, JobError, ModelError
from ..contract.events import Noted, Warned
from ..data.preprocessing import Preprocessing, ScanStatistics, fit_preprocessing, median_prepared_size
from ..machine.devices import Device
from ..methods import METHODS
from ..model_package import ModelPackage
from ..networks import Architecture, backbone_reason, plan_architecture
from ..networks.architecture import product
from ..reporting import Reporter
from ..training_set.survey import Survey
from .error_budget import error_model_note
from .memory import BatchSizes, MemoryPlan, activation_bytes_per_voxel, plan_memory, usual_batch_sizes
from .sentences import steps_sentence
from .step_checks import patch_beyond_scans, require_memory_for_a_scan, require_memory_for_a_step, slow_steps
from .steps import Durations, StepPlan
from .timed import (
    FEW_STEPS,
    LabeledScans,
    expected_steps,
    final_steps,
    plan_in_time,
    seconds_for_steps,
    speed_of,
    time_of_steps,
)
from .warm_start import history_after, reviewed_regions, with_labels_of
from .workplace import Workplace

SCHEMA_VERSION = 1
_MOST_STEPS = 1 << 40


@dataclass(frozen=True)
class PlanInput:
    """What is settled before a training is planned.

    Attributes:
        survey: what was found in the cases.
        initial: the model from which it goes on; None: none.
        margin_mm: along L, P, S, around the labels: what the fine network looks at, after a coarse stage; None: whole
            scans.
    """

    survey: Survey
    initial: ModelPackage | None = None
    margin_mm: tuple[float, float, float] | None = None


@dataclass(frozen=True)
class Plan:
    """What was decided.

    Attributes:
        preprocessing: of every scan.
        architecture: of the network, with the patch size.
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

    def with_steps(
        self, durations: Durations, config: TrainConfig, left_of_time: tuple[float, str], device: Device
    ) -> Plan:  # fmt: skip
        """The plan with the steps that fit into what is left of the time; these stay.

        Args:
            durations: of the training, as it was measured.
            config: of the training.
            left_of_time: seconds that are left for its steps, and the whole time as `time_of_steps` writes it.
            device: where it computes.
        """
        left_s, time = left_of_time
        steps = final_steps(config, left_s, durations)
        sentence = steps_sentence(steps, time, device, is_final=True)
        return replace(self, steps=steps, sentences=(*self.sentences[:-1], sentence))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {"schema_version": SCHEMA_VERSION, **to_json(self)}

    @staticmethod
    def from_dict(content: dict[str, Any]) -> Plan:
        """The inverse of `to_dict`.

        Raises:
            JobError: it was written by another version.
        """
        try:
            if content["schema_version"] != SCHEMA_VERSION:
                raise ValueError(f"schema version {content['schema_version']}")
            read = {
                "preprocessing": Preprocessing.from_dict(content["preprocessing"]),
                "architecture": Architecture.from_dict(content["architecture"]),
            }
            plan = from_json(Plan, {**content, **read})
            counts = (*plan.batch_sizes, *(astuple(plan.steps) if plan.steps else ()))
            if not all(0 <= count < _MOST_STEPS for count in counts):
                raise ValueError(f"batch sizes or steps {counts}")
            return plan
        except (AttributeError, KeyError, TypeError, ValueError, ModelError) as error:
            raise JobError(f"the plan of this training cannot be read ({error}); start a new job.") from error


def checked_datalist(job: Job, initial: ModelPackage | None = None) -> Datalist:
    """The list of a job's cases, before their files are checked.

    Args:
        job: its directory.
        initial: the model from which the training goes on, whose labels are taken; None: none.

    Raises:
        DataError: no labeled case, no label, or other labels than the model's.
    """
    datalist = job.read_datalist()
    if not datalist.with_role(Role.TRAINING):
        raise DataError(f"the datalist of '{job.folder}' has no labeled case; add at least one to 'training'.")
    if not datalist.labels:
        raise DataError(f"the datalist of '{job.folder}' names no label; add at least one.")
    return with_labels_of(initial, datalist) if initial else datalist


def plan_training(
    config: TrainConfig, datalist: Datalist, workplace: Workplace, reporter: Reporter, inputs: PlanInput
) -> Plan:  # fmt: skip
    """Choose preprocessing, network, patch, batch sizes and steps from the labeled scans, the time and the free memory.

    Where no time is given the steps are those of the settings. Preprocessing, network and patch size of a model from
    which the training goes on stay as they are.

    Args:
        config: of the training.
        datalist: the cases.
        workplace: the machine, and since when the job is done.
        reporter: gets the decisions as events.
        inputs: the survey of the cases, the model to go on from, and what of the scans is looked at.

    Raises:
        DataError: the window of intensities cannot be chosen.
        ConfigError: the time does not suffice for a training.
        DeviceError: a step needs more memory than is free.
    """
    initial = inputs.initial
    fate = "may be forgotten" if initial else "cannot be learned"
    scans = _labeled_scans(datalist, inputs, reporter, fate)
    if initial is not None:
        plan = _inherited_plan(config, datalist, workplace, reporter, initial)
        plan = _with_steps(plan, config, datalist, scans, workplace)
    elif config.time:
        plan = _timed_plan(config, datalist, workplace, reporter, scans)
    else:
        plan = _new_plan(config, datalist, workplace, reporter, scans.statistics)
    if plan.steps is not None and plan.steps.total < FEW_STEPS:
        reporter.emit(
            Warned(
                "few_steps",
                f"only {plan.steps.total} steps fit into {config.time}, too few to learn much; give more time.",
            )
        )  # fmt: skip
    if _is_set_by_hand(config):
        bytes_per_voxel = activation_bytes_per_voxel(plan.architecture, workplace.device)
        require_memory_for_a_step(plan.architecture, plan.batch_sizes, bytes_per_voxel, workplace)
    findings: list[Noted | Warned | None] = [error_model_note(config, datalist)]
    findings.append(slow_steps(plan.architecture, plan.batch_sizes, config, workplace))
    if config.data.patch_size_kji and initial is None:
        size = median_prepared_size(plan.preprocessing, scans.statistics)
        findings.append(patch_beyond_scans(plan.architecture, size))
    for event in findings:
        if event is not None:
            reporter.emit(event)
    patch = " x ".join(str(count) for count in plan.architecture.patch_size_kji)
    labeled, unlabeled = plan.batch_sizes
    patches = "patch" if unlabeled == 1 else "patches"
    text = f"each step takes {labeled} labeled and {unlabeled} unlabeled {patches} of {patch} voxels."
    reporter.emit(Noted("patch", text))
    return replace(plan, history=history_after(initial), reviewed_regions=reviewed_regions(datalist))


def require_possible_sizes(
    config: TrainConfig, datalist: Datalist, survey: Survey, workplace: Workplace
) -> None:  # fmt: skip
    """Refuse a patch or a spacing that was set by hand and cannot fit, before anything is computed for it.

    Args:
        config: of the training.
        datalist: the cases.
        survey: what was found in them.
        workplace: the machine.

    Raises:
        DeviceError: what is set needs more memory than is free.
    """
    data, scans = config.data, survey.labeled_scans(datalist)
    if not scans or not (data.patch_size_kji or data.spacing_mm or data.size_kji):
        return
    # After a coarse stage, no more of a scan is prepared than what surrounds its structures.
    statistics = [scan.looked_at((0.0, 0.0, 0.0)) for scan in scans]
    preprocessing = fit_preprocessing(data, statistics)
    size, spacing = median_prepared_size(preprocessing, statistics), preprocessing.spacing_mm[::-1]
    require_memory_for_a_scan(size, len(preprocessing.normalizations), workplace)
    if data.patch_size_kji:
        architecture = plan_architecture(config.network, data, size, spacing, len(datalist.labels) + 1)
        bytes_per_voxel = activation_bytes_per_voxel(architecture, workplace.device)
        require_memory_for_a_step(architecture, BatchSizes(1, 0), bytes_per_voxel, workplace)


def _is_set_by_hand(config: TrainConfig) -> bool:
    """Whether the size of a step does not follow from scans and memory alone."""
    sizes = (
        config.data.patch_size_kji, config.data.patch_voxels, config.training.labeled_batch_size,
        config.training.unlabeled_batch_size,
    )  # fmt: skip
    return any(size is not None for size in sizes)


def _timed_plan(
    config: TrainConfig, datalist: Datalist, workplace: Workplace, reporter: Reporter, scans: LabeledScans
) -> Plan:
    own = fit_preprocessing(config.data, scans.statistics)
    size = median_prepared_size(own, scans.statistics)
    reporter.emit(Noted("backbone", f"{backbone_reason(config.network, size, own.spacing_mm[::-1])}."))
    timed = plan_in_time(config, datalist, scans, workplace, len(own.normalizations))
    along_s, along_p, along_l = timed.chosen.spacing_dhw
    spacing = replace(own, spacing_mm=(along_l, along_p, along_s))
    architecture = timed.chosen.architecture
    return Plan(
        spacing.keeping_slices(architecture.slice_axis), architecture, timed.chosen.spacing_dhw, timed.chosen.sizes,
        steps=timed.steps, sentences=timed.sentences,
    )  # fmt: skip


def _with_steps(
    plan: Plan, config: TrainConfig, datalist: Datalist, scans: LabeledScans, workplace: Workplace
) -> Plan:  # fmt: skip
    """A plan whose network is given, with the steps that fit into the time, where there is one."""
    if not config.time:
        return plan
    step = speed_of(config, datalist, workplace).step(plan.architecture, plan.batch_sizes)
    steps = expected_steps(config, datalist, seconds_for_steps(config, datalist, scans.seconds, workplace), step)
    sentence = steps_sentence(steps, time_of_steps(config, datalist), workplace.device, is_final=False)
    return replace(plan, steps=steps, sentences=(sentence,))


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
            f"the training continues from the model '{initial.folder}', with its network, patches and preprocessing.",
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
    usual = usual_batch_sizes(config.training, architecture.slice_axis is not None, uses_unlabeled)
    return plan_memory(
        workplace.free_bytes,
        activation_bytes_per_voxel(architecture, workplace.device),
        product(architecture.patch_size_kji),
        usual,
        (config.data, config.training),
    )


def _labeled_scans(datalist: Datalist, inputs: PlanInput, reporter: Reporter, fate: str) -> LabeledScans:
    labeled = inputs.survey.of(datalist.with_role(Role.TRAINING))
    present = frozenset[int]().union(*(case.present for case in labeled))
    for label in datalist.labels:
        if label.value not in present:
            reporter.emit(Warned("label_absent", f"no labeled case has '{label.name}', so it {fate}."))
    margin_mm = inputs.margin_mm
    # A scan without structures has no surroundings of structures.
    measured = [case for case in labeled if margin_mm is None or not case.is_empty]
    scans = [case.scan for case in measured if case.scan is not None]
    statistics = [scan.looked_at(margin_mm) if margin_mm else scan.statistics for scan in scans]
    structures = [case.structures for case in measured if case.structures is not None]
    return LabeledScans(statistics, structures, inputs.survey.seconds, margin_mm is not None)
