"""What a training would do, and how long it would take, without doing it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from ..coarse.plan import COARSE_SHARE
from ..contract import Datalist, Job, JobKind, Role
from ..contract.config import TrainConfig
from ..contract.config.time_budget import seconds_of
from ..contract.errors import JobError
from ..contract.events import Event, Noted, PaceMeasured, Warned
from ..contract.training_time import TrainingAmounts, training_time_text
from ..data.preprocessing import median_prepared_size
from ..event_messages import describe
from ..machine.devices import Device, choose_device
from ..networks.architecture import product
from ..planning.error_budget import error_model_share
from ..planning.few_voxels import few_voxels
from ..planning.plan import Plan, PlanInput, checked_datalist, plan_training
from ..planning.steps import StepPlan
from ..planning.warm_start import initial_model
from ..planning.workplace import Workplace
from ..reporting import Reporter
from ..training_set.checked import TrainingSet, checked_cases
from ..training_set.survey import USED_ROLES
from ..volume import noted_by
from .coarse_stage import expected_part
from .timing import measure_network, measure_whole_scan


def plan_training_job(job: Job, reporter: Reporter) -> Plan:
    """Plan a training as it would be planned, and time its parts; no checkpoint is made.

    Args:
        job: its directory.
        reporter: gets the plan for a time as notes, else a `PaceMeasured`; knows when to stop.

    Raises:
        CoraNetError: the training could not start.
        JobCancelled: stopped on request.
    """
    config = job.read_config()
    if not isinstance(config, TrainConfig):
        raise JobError(f"'{job.folder}' is a segmentation, and only a training is planned; choose another job.")
    device = choose_device(config.machine)
    workplace = Workplace(device, 1, partial(measure_network, config, device))
    # The checks are those of the training.
    initial = initial_model(config)
    checked = checked_cases(job, checked_datalist(job, initial), config, reporter, initial, is_timed=True)
    part = expected_part(config, checked.survey.labeled_scans(checked.datalist), reporter, initial)
    if part is not None:
        # As if the coarse stage had been done.
        spent = COARSE_SHARE * (seconds_of(config.time) or 0.0)
        workplace = replace(workplace, started=workplace.started - spent)
    inputs = PlanInput(checked.survey, initial, part.margin_mm if part else None)
    plan = plan_training(config, checked.datalist, workplace, reporter, inputs)
    labeled = checked.survey.of(checked.datalist.with_role(Role.TRAINING))
    for warning in few_voxels(labeled, checked.datalist.labels, plan.preprocessing):
        reporter.emit(warning)
    for sentence in plan.sentences:
        reporter.emit(Noted("plan", sentence))
    if not config.time:
        reporter.emit(_pace(config, device, checked, plan, inputs.margin_mm))
    return plan


def describe_plan(plan: Plan) -> str:
    """A plan in a sentence or some."""
    return " ".join(plan.sentences) or "the parts of the training are timed."


def planned(config: TrainConfig, datalist: Datalist) -> Iterator[str]:
    """The lines of a plan; the machine is timed for some seconds, the labeled scans are read, and nothing is kept.

    Args:
        config: of the training.
        datalist: the cases.

    Raises:
        CoraNetError: the training could not start.
    """
    events: list[Event] = []
    reporter = Reporter(events.append, lambda: False)
    with tempfile.TemporaryDirectory() as folder, noted_by(lambda note: events.append(Warned("input", note))):
        job = Job.create(Path(folder) / "job", JobKind.TRAIN, config, datalist)
        plan = plan_training_job(job, reporter)
        used = job.read_datalist()
    yield from (describe(event) for event in events if isinstance(event, (Noted, Warned)))
    steps = _steps(config, plan)
    for pace in (event for event in events if isinstance(event, PaceMeasured)):
        yield f"{steps.total:,} steps, as they are set ({steps.pretraining:,} on labeled cases)."
        count, has_unlabeled = len(used.with_role(*USED_ROLES)), bool(used.with_role(Role.UNLABELED))
        amounts = TrainingAmounts.of(config, count, pace.validation_cases, has_unlabeled)
        yield training_time_text(pace, amounts)
    intervals = f"a checkpoint every {steps.checkpoint_interval} steps"
    if used.with_role(Role.VALIDATION):
        intervals += f", validation every {steps.validation_interval}"
    yield f"{plan.architecture.base_filters} filters; {intervals}."


def _steps(config: TrainConfig, plan: Plan) -> StepPlan:
    return plan.steps or StepPlan.as_set(config.training)


def _pace(
    config: TrainConfig, device: Device, checked: TrainingSet, plan: Plan, margin_mm: tuple[float, float, float] | None
) -> PaceMeasured:
    steps = measure_network(config, device, plan.architecture, plan.batch_sizes)
    scans = checked.survey.labeled_scans(checked.datalist)
    statistics = [scan.looked_at(margin_mm) if margin_mm else scan.statistics for scan in scans]
    voxels = product(median_prepared_size(plan.preprocessing, statistics))
    return PaceMeasured(
        device.name,
        case=checked.survey.seconds,
        pretraining=steps.pretraining,
        self_training=steps.self_training,
        whole_scan=voxels * measure_whole_scan(config, device, plan.architecture),
        validation_cases=len(checked.datalist.with_role(Role.VALIDATION)),
        error_model_share=error_model_share(config, checked.datalist),
    )
