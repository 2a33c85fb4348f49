"""A training job from its directory to a model folder."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .. import __version__
from ..contract import Datalist, Job, ModelCard, Role
from ..contract.config import TrainConfig
from ..contract.errors import JobError
from ..contract.events import Noted, SnapshotSaved, Started, Warned
from ..contract.files import read_json, remove_folder, write_json_atomic
from ..data.cache import PreparedCase
from ..data.loading import Loader, Shard
from ..inference.components import hang_together, single_component_classes
from ..inference.network_pass import SlidingWindow
from ..inference.views import Views
from ..machine.devices import Device, used_memory
from ..machine.distributed import Team
from ..methods import METHODS
from ..model_package import ModelPackage
from ..networks import Architecture
from ..planning.error_budget import error_model_share, reserved_s
from ..planning.few_voxels import few_voxels
from ..planning.memory import BatchSizes
from ..planning.plan import Plan, PlanInput, checked_datalist, plan_training, require_possible_sizes
from ..planning.steps import StepSeconds
from ..planning.taken_over import plan_taken_over
from ..planning.timed import time_of_steps
from ..planning.warm_start import initial_model
from ..planning.workplace import Workplace
from ..reporting import Pace, Reporter
from ..tensors import load_tensors
from ..training_set.checked import checked_cases
from ..training_set.record import add_to_record, card_of_cases
from ..training_set.survey import USED_ROLES, Survey
from .case_boxes import prepare_boxes
from .cases import TrainingCases, training_cases
from .coarse_stage import PREPARING, Regions, TrainingJob, find_regions
from .dial import calibrate_caution
from .error_stage import Trained, add_error_model
from .loop import Trainer, TrainerContext
from .reference import reference_of
from .snapshots import Snapshots
from .state import TrainingState
from .timing import measure_network, measure_training, patch_sampler
from .validation import Score, score

# Of the voxels that a training looks at, those on which its end measures what its scans are like.
_MEASURED_SHARE = 0.02


def run_training_job(job: Job, resume: bool, reporter: Reporter, team: Team | None = None) -> str:
    """Do a training job.

    Args:
        job: its directory.
        resume: go on from the last checkpoint where there is one.
        reporter: takes events, knows when to stop.
        team: the processes that do it together; None: this one alone.

    Returns:
        A sentence about what came out.

    Raises:
        CoraNetError: something is wrong with data, settings or disk.
        JobCancelled: stopped on request, after a checkpoint.
    """
    config = job.read_config()
    if not isinstance(config, TrainConfig):
        raise JobError(f"'{job.folder}' is a segmentation, expected a training; choose another folder.")
    if (job.last_checkpoint_path.exists() or job.coarse_checkpoint_path.exists()) and not resume:
        raise JobError(f"'{job.folder}' was trained before; add --resume to continue, or choose a new folder.")
    team = team or Team()
    device = team.device(config.machine)
    with team.assembled(device):
        training = _Training(job, config, reporter, device, team)
        with training.prepared() as ready:
            ready.trainer.run(job.last_checkpoint_path, job.best_checkpoint_path)
        if used := used_memory(device):
            reporter.emit(Noted("memory_used", used))
        return training.finish(ready) if team.is_leader else ""


@dataclass(frozen=True)
class _Ready:
    """A training that may begin its steps."""

    datalist: Datalist
    regions: Regions
    plan: Plan
    state: TrainingState
    cases: TrainingCases
    window: SlidingWindow
    trainer: Trainer


class _Training:
    def __init__(self, job: Job, config: TrainConfig, reporter: Reporter, device: Device, team: Team) -> None:
        self._job = job
        self._config = config
        self._reporter = reporter
        self._device = device
        self._team = team
        self._workplace = Workplace(device, team.local_count, self._measured)
        # Of the leader alone, who looks at the cases and plans.
        self._survey = Survey()

    @contextmanager
    def prepared(self) -> Iterator[_Ready]:
        """Everything that a training does before its steps; inside, patches are cut."""
        job, device = self._job, self._device
        # Once it has started, a training no longer needs the model that it went on from.
        has_started = job.last_checkpoint_path.exists()
        initial = None if has_started else initial_model(self._config)
        datalist = self._team.from_leader(lambda: self._checked_cases(initial))
        regions = find_regions(self._training_job(), datalist, initial)
        plan = self._team.from_leader(lambda: self._plan(datalist, PlanInput(self._survey, initial, regions.margin_mm)))
        state = self._started(plan, initial)
        cases = self._team.leader_first(lambda: self._prepared_cases(datalist, plan, regions))
        window = SlidingWindow.of(plan.architecture, self._config.inference, device)
        with self._loader(cases, plan) as loader:
            if self._config.time and not self._config.plan_of and not has_started:
                # The steps that were timed are thrown away.
                plan = self._with_final_steps(plan, state, cases, (loader, window))
                state = self._started(plan, initial)
            self._config = state.config
            share = error_model_share(self._config, datalist)
            context = TrainerContext(
                device, self._team, window, self._reporter, self._snapshots(cases, window), share / (1 - share)
            )
            trainer = Trainer(state, cases, loader, context)
            yield _Ready(datalist, regions, plan, state, cases, window, trainer)

    def _training_job(self) -> TrainingJob:
        return TrainingJob(
            self._job, self._config, self._workplace, self._team, self._reporter, self._cache_folder, self._survey
        )

    def _checked_cases(self, initial: ModelPackage | None) -> Datalist:
        """The cases that can be used, once all have been looked at."""
        checked = checked_cases(self._job, checked_datalist(self._job, initial), self._config, self._reporter, initial)
        self._survey = checked.survey
        if initial is None:
            require_possible_sizes(self._config, checked.datalist, checked.survey, self._workplace)
        return checked.datalist

    def _measured(self, architecture: Architecture, sizes: BatchSizes) -> StepSeconds:
        """Seconds of a step of a network; timing many takes long, so a request to stop is looked for."""
        self._reporter.stop_if_requested()
        return measure_network(self._config, self._device, architecture, sizes)

    def _started(self, plan: Plan, initial: ModelPackage | None) -> TrainingState:
        """Where the training stands: at its last checkpoint, or at its start."""
        state = TrainingState(plan.applied_to(self._config), plan.architecture, self._device)
        if self._job.last_checkpoint_path.exists():
            state.load(self._job.last_checkpoint_path)
        elif initial is not None:
            state.begin_with(initial)
        self._reporter.emit(Started(state.step, state.total_steps, self._device.name, __version__))
        return state

    def _with_final_steps(
        self, plan: Plan, state: TrainingState, cases: TrainingCases, work: tuple[Loader, SlidingWindow]
    ) -> Plan:
        """The plan with the steps that fit into the time that is left, now that everything else is ready."""
        self._reporter.stop_if_requested()
        left_s = self._workplace.left_s(self._config.time)
        durations = measure_training(state, (self._device, self._team, left_s), cases, *work)
        datalist = self._job.read_datalist()
        left_s = self._workplace.left_s(self._config.time) - reserved_s(self._config, datalist)
        left_of_time = left_s, time_of_steps(self._config, datalist)
        final = self._team.from_leader(lambda: plan.with_steps(durations, self._config, left_of_time, self._device))
        if self._team.is_leader:
            write_json_atomic(self._job.plan_path, final.to_dict())
        self._reporter.emit(Noted("plan", final.sentences[-1]))
        return final

    def _plan(self, datalist: Datalist, inputs: PlanInput) -> Plan:
        """The plan that the job started with, or a new one."""
        path = self._job.plan_path
        if self._job.last_checkpoint_path.exists() and path.exists():
            return Plan.from_dict(read_json(path))
        plan = plan_taken_over(self._config, datalist) or plan_training(
            self._config, datalist, self._workplace, self._reporter, inputs
        )
        labeled = inputs.survey.of(datalist.with_role(Role.TRAINING))
        small = list(few_voxels(labeled, datalist.labels, plan.preprocessing))
        for warning in small:
            self._reporter.emit(warning)
        add_to_record(self._job, small)
        for sentence in plan.sentences:
            self._reporter.emit(Noted("plan", sentence))
        write_json_atomic(path, plan.to_dict())
        return plan

    def _prepared_cases(self, datalist: Datalist, plan: Plan, regions: Regions) -> TrainingCases:
        values = [label.value for label in datalist.labels]
        used = datalist.with_role(*USED_ROLES)
        prepared: list[PreparedCase] = []
        pace = Pace(self._reporter, {PREPARING: len(used)})
        for number, case in enumerate(used, start=1):
            self._reporter.stop_if_requested()
            prepared.extend(prepare_boxes(case, plan.preprocessing, values, self._cache_folder, regions.boxes_of(case)))
            pace.step(PREPARING, number)
        uses_unlabeled = METHODS[self._config.training.method].uses_unlabeled
        return training_cases(prepared, [label.name for label in datalist.labels], uses_unlabeled, self._reporter)

    @property
    def _cache_folder(self) -> Path:
        shared = self._config.data.cache_folder
        return Path(shared) if shared else self._job.cache_folder

    def _loader(self, cases: TrainingCases, plan: Plan) -> Loader:
        sampler = patch_sampler(self._config, plan.architecture, plan.spacing_dhw)
        shard = Shard(self._team.rank, self._team.count)
        return Loader(sampler, cases.labeled, cases.unlabeled, plan.batch_sizes, self._device, shard)

    def _snapshots(self, cases: TrainingCases, window: SlidingWindow) -> Snapshots | None:
        training = self._config.training
        if not training.snapshot_interval or not cases.unlabeled or not self._team.is_leader:
            return None
        if len(cases.class_names) >= SnapshotSaved.UNCERTAIN:
            self._reporter.emit(Noted("no_snapshots", "no snapshots are kept: they are for at most 254 classes."))
            return None
        return Snapshots(self._job, cases.unlabeled, training.snapshot_case, window)

    def finish(self, ready: _Ready) -> str:
        """Write the model; returns a sentence about it."""
        job, plan, state, cases = self._job, ready.plan, ready.state, ready.cases
        datalist, regions = ready.datalist, ready.regions
        best = self._take_best_weights(state, cases, ready.window)
        degrees = patch_sampler(self._config, plan.architecture, plan.spacing_dhw).augmentation.spatial.degrees
        # What is measured for segmentations is measured as they look at scans.
        window = replace(ready.window, views=Views.rotated("auto", plan.architecture, plan.spacing_dhw, degrees))
        caution = calibrate_caution(state.teacher, cases.validation, window, len(cases.class_names) + 1)
        card = {
            "validation_dice": best["dice"],
            "best_step": best["step"],
            "steps": state.step,
            **({"averaged_steps": best["averaged"]} if best.get("averaged") else {}),
            "caution": caution or 0.0,
            "trained_on": _trained_on(datalist),
            "method": self._config.training.method,
            "preset": self._config.preset,
            "seed": self._config.seed,
            "created": time.time(),
            "history": list(plan.history),
            "before": state.before or {},
            "reviewed_regions": plan.reviewed_regions,
            "time": self._config.time,
            "plan": list(plan.sentences),
            **_if_any("channels", list(datalist.channel_names) if plan.architecture.in_channels > 1 else []),
            **_components(cases),
            **_if_any("mirrored_axes", list(self._config.augmentation.flip_axes)),
            **_if_any("rotation_degrees", degrees),
            **card_of_cases(job),
            **self._reference(ready, window),
        }
        if state.before is not None and best["step"] == 0:
            self._reporter.emit(_NOT_IMPROVED)
        package = ModelPackage(
            job.model_folder, plan.architecture, plan.preprocessing, datalist.labels, card, regions.part
        )
        package.write(state.teacher, regions.network)
        add_error_model(self._training_job(), Trained(package, state.teacher, plan, cases, window))
        remove_folder(job.cache_folder)
        return _summary(package)

    def _reference(self, ready: _Ready, window: SlidingWindow) -> dict[str, Any]:
        """What its scans are like, from a small share of the voxels that the training has looked at."""
        if self._config.training.quality_reference == "off":
            return {}
        window = replace(window, before_window=lambda share: self._reporter.stop_if_requested())
        voxels = ready.state.step * sum(ready.plan.batch_sizes) * math.prod(ready.plan.architecture.patch_size_kji)
        reference = reference_of(ready.state.teacher, ready.cases, window, _MEASURED_SHARE * voxels)
        return {"reference": reference.to_dict()}

    def _take_best_weights(self, state: TrainingState, cases: TrainingCases, window: SlidingWindow) -> dict[str, Any]:
        """Give the teacher the weights of the model; returns their "dice" and "step", and how many were "averaged"."""
        best: dict[str, Any] = {"dice": {}, "step": state.step}
        if self._job.best_checkpoint_path.exists():
            best = load_tensors(self._job.best_checkpoint_path)
            state.teacher.load_state_dict(best["teacher"])
        if state.average is None or not state.average.count:
            return best
        averaged = score(state.average.network, cases, window) if cases.validation else Score({}, 0.0)
        is_taken = state.best_dice is None or averaged.mean >= state.best_dice
        self._reporter.emit(
            Noted("average", _of_average(state.average.count, is_taken, averaged.mean, state.best_dice))
        )
        if not is_taken:
            return best
        state.teacher.load_state_dict(state.average.network.state_dict())
        return {"dice": averaged.dice, "step": state.step, "averaged": state.average.count}


def _if_any(key: str, values: Collection[Any]) -> dict[str, Any]:
    """An entry of the card that is absent where it is empty."""
    return {key: values} if values else {}


def _of_average(count: int, is_taken: bool, mean: float, best: float | None) -> str:
    """Whether the mean of the weights over the last steps was taken."""
    compared = "" if best is None else f", which has {mean:.3f} on the validation cases (the best step {best:.3f})"
    return f"the model is {'' if is_taken else 'not '}the mean of the weights over the last {count:,} steps{compared}."


def _components(cases: TrainingCases) -> dict[str, Any]:
    """Which classes are one connected component in each case that is labeled as a whole, and whether all together are.

    After a coarse stage each box counts as a case, so structures in boxes of their own do not hang together.
    """
    whole = [case for case in (*cases.labeled, *cases.validation) if case.labels is not None and case.known is None]
    maps = [case.labels for case in whole if case.labels is not None]
    classes = single_component_classes(maps, range(1, len(cases.class_names) + 1))
    is_one_box = len({case.case.id for case in whole}) == len(whole)
    return {
        "single_component": [cases.class_names[value - 1] for value in classes],
        "hangs_together": len(cases.class_names) > 1 and is_one_box and hang_together(maps),
    }


def _trained_on(datalist: Datalist) -> dict[str, int]:
    """Number of cases by role; those whose labels are known in part are counted among the training cases, too."""
    counts = Counter(case.role.value for case in datalist.cases if case.role is not Role.TEST)
    partial = sum(case.is_partial for case in datalist.cases)
    return {**counts, **({"partial": partial} if partial else {})}


def _summary(package: ModelPackage) -> str:
    dice: Iterable[tuple[str, Any]] = package.card["validation_dice"].items()
    before = {name: f" ({value:.3f} before)" for name, value in package.card["before"].items() if value is not None}
    scores = ", ".join(f"{name} {value:.3f}{before.get(name, '')}" for name, value in dice if value is not None)
    caution, error_model = package.card["validation_caution"], ModelCard.read(package.folder).error_model
    promised = f" {error_model.sentence()}" if error_model else ""
    of_validation = f"validation Dice: {scores}." if scores else "not validated, since all labeled cases taught it."
    beware = f" Beware: {caution}." if caution and scores else ""
    cautions = "; ".join(package.card["cautions"])
    of_cases = f" Of its cases, {cautions}." if cautions else ""
    return f"{of_validation}{promised}{beware}{of_cases}"


_NOT_IMPROVED = Warned(
    "not_improved",
    "on the validation cases no step was better than the model from which the training went on, whose weights are "
    "kept; add decisions or labels, or lower training.learning_rate.",
)
