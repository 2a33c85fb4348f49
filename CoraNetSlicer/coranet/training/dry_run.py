"""What a training would do in its time, without doing it."""

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
from ..contract.events import Event, Noted, Warned
from ..devices import choose_device
from ..event_messages import describe
from ..planning.few_voxels import few_voxels
from ..planning.plan import Given, checked_datalist, plan_training
from ..planning.steps import StepPlan
from ..planning.warm_start import initial_model
from ..planning.workplace import Workplace
from ..reporting import Reporter
from ..training_set.checked import checked_cases
from ..volume import noted_by
from .coarse_stage import expected_part
from .timing import measure_network


def planned(config: TrainConfig, datalist: Datalist) -> Iterator[str]:
    """The lines of a plan; the machine is timed for some seconds, the labeled scans are read, and nothing is kept.

    Args:
        config: of the training.
        datalist: the cases.

    Raises:
        CoraNetError: the training could not be begun.
    """
    told: list[Event] = []
    reporter = Reporter(told.append, lambda: False)
    device = choose_device(config.machine)
    workplace = Workplace(device, 1, partial(measure_network, config, device))
    with tempfile.TemporaryDirectory() as folder, noted_by(lambda note: told.append(Warned("input", note))):
        # The checks of a job are those of the training.
        job = Job.create(Path(folder) / "job", JobKind.TRAIN, config, datalist)
        initial = initial_model(config)
        checked = checked_cases(job, checked_datalist(job, initial), config, reporter, initial)
        part = expected_part(config, checked.survey.labeled_scans(checked.datalist), reporter, initial)
        if part is not None:
            # As if the coarse stage had been done.
            spent = COARSE_SHARE * (seconds_of(config.time) or 0.0)
            workplace = replace(workplace, begun=workplace.begun - spent)
        given = Given(checked.survey, initial, part.margin_mm if part else None)
        plan = plan_training(config, checked.datalist, workplace, reporter, given)
        labeled = checked.survey.of(checked.datalist.with_role(Role.TRAINING))
        told += few_voxels(labeled, checked.datalist.labels, plan.preprocessing)
    yield from (describe(event) for event in told if isinstance(event, (Noted, Warned)))
    yield from plan.sentences
    steps = plan.steps or StepPlan.as_set(config.training)
    if not plan.sentences:
        yield f"{steps.total:,} steps, as they are set ({steps.pretraining:,} on labeled cases)."
    intervals = f"validation every {steps.validation_interval} steps, a checkpoint every {steps.checkpoint_interval}"
    yield f"{plan.architecture.base_filters} filters; {intervals}."
