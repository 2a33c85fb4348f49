"""The last stage of a training: an error model, from labeled cases that a network has not seen."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn

from ..contract import Role
from ..contract.doubt import FEWEST_CASES
from ..contract.errors import ModelError
from ..contract.events import Event, Noted, Progress, Warned
from ..contract.files import read_json, write_json_atomic
from ..data.cache import PreparedCase
from ..data.identity import identity_of_channels
from ..data.loading import Loader
from ..data.scans import read_channels, scan_grid
from ..error_model import ErrorCase, ErrorModel, Evidence, default_tolerance_mm, fit
from ..error_model.package import MOST_FOLDS
from ..inference.network_pass import SlidingWindow
from ..machine.distributed import Team
from ..model_package import ModelPackage
from ..planning.error_budget import is_reviewed_to_the_end, left_out_cases, reserved_s, why_none
from ..planning.plan import Plan
from ..planning.workplace import Workplace
from ..reporting import Reporter
from .cases import TrainingCases
from .coarse_stage import TrainingJob
from .folds import ErrorPlan, StageSeconds, fold_config, folds_of, steps_for_share, steps_in_time
from .loop import RELATIVE_COST, SELF_TRAINING, Trainer, TrainerContext
from .state import TrainingState
from .timing import measure_steps, patch_sampler

ERROR_MODEL = "error_model"
_RELAYED = ("out_of_memory", "non_finite_loss")
# A fit samples voxels before its first step, which takes as long as many of these.
_TIMED_STEPS, _TIMED_FIT_STEPS = 3, 40
_QUIET_S = 0.5


@dataclass(frozen=True)
class Trained:
    """A training whose model is written.

    Attributes:
        package: the model.
        network: the same in memory.
        plan: what was trained.
        cases: what it has learned from.
        window: how it covers a whole scan that is segmented.
    """

    package: ModelPackage
    network: nn.Module
    plan: Plan
    cases: TrainingCases
    window: SlidingWindow


def add_error_model(training: TrainingJob, trained: Trained) -> ErrorModel | None:
    """Make the error model of a training, or what is left to do of it, and write it beside the model.

    Args:
        training: what it has at hand; `config` with its steps.
        trained: its model, which stays as it is where the stage is stopped.

    Returns:
        None where there is none, which the plan has reported.

    Raises:
        CoraNetError: something is wrong with disk or memory.
        JobCancelled: stopped on request, after a checkpoint.
    """
    if why_none(training.config, training.job.read_datalist()) is not None:
        return None
    return _ErrorStage(training, trained).run()


class _ErrorStage:
    def __init__(self, training: TrainingJob, trained: Trained) -> None:
        self._job, self._config, self._reporter = training.job, training.config, training.reporter
        self._workplace: Workplace = training.workplace
        self._device = training.workplace.device
        self._trained = trained
        cases = trained.cases
        self._validation = largest_boxes(cases.validation)
        self._labeled = [case for case in largest_boxes(cases.labeled) if case.known is None]
        self._reviewed = [case for case in largest_boxes(cases.unlabeled) if is_reviewed_to_the_end(case.case)]

    def run(self) -> ErrorModel | None:
        plan = self._stored() or self._planned()
        counted = self._error_cases(plan)
        if len(counted) < FEWEST_CASES:
            message = "there is no error model: too few of its cases are new to a network; label or review more."
            self._reporter.emit(Noted("no_error_model", message))
            return None
        progress = self._progress(plan, len(counted))
        progress.done = len(plan.folds) * plan.steps
        names = self._trained.cases.class_names
        model = ErrorModel.fit(
            counted, names, plan.tolerance_mm, self._config.seed, progress.fit_step, plan.fit_steps
        )  # fmt: skip
        self._trained.package.write_error_model(model)
        return model

    # -- what is done -------------------------------------------------------------------------------------------------

    def _stored(self) -> ErrorPlan | None:
        path = self._job.error_plan_path
        return ErrorPlan.from_dict(read_json(path), path) if path.exists() else None

    def _planned(self) -> ErrorPlan:
        """How it is done, kept in the job before it starts."""
        datalist = self._job.read_datalist()
        left_out = {case.id for case in left_out_cases(self._config, datalist)}
        folds = folds_of([case.case.id for case in self._labeled if case.case.id in left_out], self._config.seed)
        plan = ErrorPlan(folds, 1, 1, self._tolerance_mm())
        if self._config.time and not self._config.plan_of:
            plan = self._in_time(plan, reserved_s(self._config, datalist))
        else:
            steps, fit_steps = steps_for_share(self._config, len(folds), RELATIVE_COST[SELF_TRAINING])
            plan = replace(plan, steps=steps, fit_steps=fit_steps)
        write_json_atomic(self._job.error_plan_path, plan.to_dict())
        return plan

    def _in_time(self, plan: ErrorPlan, reserved: float) -> ErrorPlan:
        """The steps that fit into what is left of the time, from some that are thrown away."""
        self._reporter.stop_if_requested()
        start = time.monotonic()
        case = (*self._validation, *self._labeled, *self._reviewed)[0]
        sample = self._error_case(self._trained.network, case)
        voxels = sum(case.image[0].size for case in (*self._validation, *self._labeled, *self._reviewed))
        predicting = (time.monotonic() - start) * voxels / case.image[0].size
        fit_start = time.monotonic()
        fit([sample], 0, self._reporter.stop_if_requested, _TIMED_FIT_STEPS)
        fit_step = (time.monotonic() - fit_start) / _TIMED_FIT_STEPS
        step = self._step_seconds(plan) if plan.folds else fit_step
        seconds_left = min(reserved, max(self._workplace.left_s(self._config.time), 0.5 * reserved))
        seconds_left -= time.monotonic() - start
        seconds = StageSeconds(predicting, step, fit_step, self._fits(self._count(plan)))
        training = self._config.training
        most = training.pretraining_steps + training.self_training_steps
        steps, fit_steps = steps_in_time(seconds_left, len(plan.folds), seconds, most)
        return replace(plan, steps=steps, fit_steps=fit_steps, fit_cost=fit_step / max(step, 1e-6))

    def _step_seconds(self, plan: ErrorPlan) -> float:
        config = fold_config(self._config, _TIMED_STEPS)
        state = TrainingState(config, self._trained.plan.architecture, self._device)
        with self._loader(plan.folds[0]) as loader:
            return measure_steps(state, self._device, Team(), loader, _TIMED_STEPS).pretraining

    def _count(self, plan: ErrorPlan) -> int:
        """About how many cases the error model learns from."""
        return len(self._validation) + len(self._reviewed) + sum(map(len, plan.folds))

    def _fits(self, cases: int) -> int:
        """As many leave cases out, and one learns from all."""
        return min(cases, MOST_FOLDS) + 1

    def _progress(self, plan: ErrorPlan, cases: int) -> _StageProgress:
        fit_steps = round(self._fits(cases) * plan.fit_steps * plan.fit_cost)
        return _StageProgress(self._reporter, len(plan.folds) * plan.steps + fit_steps, plan.fit_cost)

    def _error_cases(self, plan: ErrorPlan) -> list[ErrorCase]:
        """Every case as a network sees it that has not learned from its label."""
        cases = [self._error_case(self._trained.network, case) for case in self._validation]
        initial = self._initial() if self._reviewed else None
        unseen = [case for case in self._reviewed if initial is not None and not _has_seen(initial, case)]
        if initial is not None and unseen:
            network = initial.load_network(self._device)
            cases += [self._error_case(network, case) for case in unseen]
        progress = self._progress(plan, self._count(plan))
        for number, left_out in enumerate(plan.folds, start=1):
            network = self._fold_network(number, plan, progress)
            cases += [self._error_case(network, case) for case in self._labeled if case.case.id in left_out]
            if number == 1:
                # Of reviewed cases, no short training learns.
                known = {case.case.id for case in unseen}
                cases += [self._error_case(network, case) for case in self._reviewed if case.case.id not in known]
        return cases

    def _fold_network(self, number: int, plan: ErrorPlan, progress: _StageProgress) -> nn.Module:
        """The network of a short training, trained to its last step."""
        path = self._job.fold_checkpoint_path(number)
        config = fold_config(self._config, plan.steps)
        state = TrainingState(config, self._trained.plan.architecture, self._device)
        if path.exists():
            state.load(path)
        if state.step < plan.steps:
            learned = [case for case in self._trained.cases.labeled if case.case.id not in plan.folds[number - 1]]
            cases = TrainingCases(tuple(learned), (), (), self._trained.cases.class_names)
            quiet = replace(self._reporter, emit=progress.of_training((number - 1) * plan.steps, self._reporter))
            context = TrainerContext(self._device, Team(), self._trained.window, quiet)
            with self._loader(plan.folds[number - 1]) as loader:
                Trainer(state, cases, loader, context).run(path, path)
        return state.teacher

    def _loader(self, left_out: Sequence[str]) -> Loader:
        trained = self._trained
        sampler = patch_sampler(self._config, trained.plan.architecture, trained.plan.spacing_dhw)
        learned = [case for case in trained.cases.labeled if case.case.id not in left_out]
        return Loader(sampler, learned, (), (trained.plan.batch_sizes.labeled, 0), self._device)

    def _error_case(self, network: nn.Module, case: PreparedCase) -> ErrorCase:
        """What a network predicts for a prepared case, beside its truth."""
        window = replace(self._trained.window, before_window=lambda share: self._reporter.stop_if_requested())
        image = torch.from_numpy(np.asarray(case.image, dtype=np.float32))
        evidence = Evidence.allocated(image, window.classes)
        for _ in evidence.gathered(window.stream(network, image, case.padding), image):
            pass
        known = None if case.known is None else np.asarray(case.known) > 0
        truth = np.asarray(case.labels)
        return ErrorCase(evidence, evidence.classes.numpy(), truth, known, self._trained.plan.spacing_dhw)

    def _tolerance_mm(self) -> float:
        """Of deep errors: as it is set, else a voxel of the median labeled scan, and at least 1 mm."""
        if self._config.training.error_tolerance_mm is not None:
            return self._config.training.error_tolerance_mm
        cases = self._job.read_datalist().with_role(Role.TRAINING, Role.VALIDATION)
        spacings = np.array([scan_grid(case).spacing_mm for case in cases])
        return default_tolerance_mm(np.median(spacings, axis=0).tolist(), self._trained.plan.spacing_dhw)

    def _initial(self) -> ModelPackage | None:
        """The model from which the training goes on, if it is still there; it has not learned from new reviews."""
        chosen = self._config.training.initial_model
        try:
            return ModelPackage.read(chosen) if chosen else None
        except ModelError:
            return None


def _has_seen(model: ModelPackage, case: PreparedCase) -> bool:
    """Whether a model has learned from the label of a case."""
    scan = identity_of_channels(read_channels(case.case)).voxels
    return scan in ((model.card.get("scans") or {}).get(Role.TRAINING.value) or ())


def largest_boxes(cases: Sequence[PreparedCase]) -> list[PreparedCase]:
    """Each case once, by the largest of its boxes: cases are to count alike."""
    largest: dict[str, PreparedCase] = {}
    for case in cases:
        if case.case.id not in largest or case.image.size > largest[case.case.id].image.size:
            largest[case.case.id] = case
    return list(largest.values())


class _StageProgress:
    """Reports how far the stage is, in steps of short trainings.

    Attributes:
        done: steps so far.
    """

    def __init__(self, reporter: Reporter, total: int, fit_cost: float) -> None:
        self._reporter, self._total, self._fit_cost = reporter, max(1, total), fit_cost
        self._start = time.monotonic()
        # The first one is reported at once: a stage has begun.
        self._last = -math.inf
        self._first: float | None = None
        self.done = 0.0

    def of_training(self, before: int, reporter: Reporter) -> Callable[[Event], object]:
        """Takes the events of a short training; its losses and checkpoints are not those of the whole case."""

        def relay(event: Event) -> None:
            if isinstance(event, Progress):
                self._at(before + event.step)
            elif isinstance(event, Warned) and event.code in _RELAYED:
                reporter.emit(event)

        return relay

    def fit_step(self) -> None:
        """A step of a fit is done.

        Raises:
            JobCancelled: the job is to stop.
        """
        self._reporter.stop_if_requested()
        self._at(min(self.done + self._fit_cost, self._total - 1))

    def _at(self, done: float) -> None:
        self.done, now = done, time.monotonic()
        if self._first is None:
            self._first, self._start = done, now
        if now - self._last < _QUIET_S and done < self._total:
            return
        self._last = now
        pace = (now - self._start) / (done - self._first) if done > self._first else None
        left = None if pace is None else round(pace * (self._total - done), 1)
        self._reporter.emit(Progress(ERROR_MODEL, int(done), self._total, left))
