"""The coarse stage of a training: whether there is one, its network, and the boxes in which the fine network looks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from torch import nn

from ..coarse.finding import CoarseNetwork
from ..coarse.part import CoarsePart
from ..coarse.plan import (
    coarse_config,
    decision,
    fine_patch_voxels,
    fine_slice_axis,
    measured_margin_mm,
    new_part,
    steps_for_cost,
    steps_in_share,
)
from ..coarse.scans import LabeledScan, Millimetres
from ..contract import Case, Datalist, Job, Role
from ..contract.config import TrainConfig
from ..contract.config.time_budget import seconds_of
from ..contract.errors import JobError
from ..contract.events import Event, Noted, Progress, Warned
from ..contract.files import read_json, write_json_atomic
from ..data.box import Box
from ..data.cache import PreparedCase, prepare_case
from ..data.loading import Loader, Shard
from ..inference.network_pass import SlidingWindow
from ..machine.devices import Device
from ..machine.distributed import Team
from ..methods import METHODS
from ..model_package import ModelPackage
from ..networks import CoraNet, place
from ..planning.workplace import Workplace
from ..reporting import Pace, Reporter
from ..tensors import load_tensors, save_tensors
from ..training_set.record import add_to_record
from ..training_set.survey import USED_ROLES, Survey
from .case_boxes import Boxes, Found
from .cases import training_cases
from .loop import Trainer, TrainerContext
from .state import TrainingState
from .timing import measure_steps, patch_sampler

SCHEMA_VERSION = 1
PREPARING, FINDING = "preparing", "finding"
_TIMED_STEPS = 3
# Boxes that leave more of the scans than this are no gain.
_MOST_LEFT = 0.6
_RELAYED = ("out_of_memory", "non_finite_loss")


@dataclass(frozen=True)
class Regions:
    """What of each case the fine network looks at.

    Attributes:
        part: of the coarse network; None: there is none, and whole scans are looked at.
        boxes: by name of the case; none for one that is looked at whole.
        network: the coarse network, in evaluation mode; None where there is none.
    """

    part: CoarsePart | None = None
    boxes: Mapping[str, Boxes] = field(default_factory=dict)
    network: nn.Module | None = None

    def boxes_of(self, case: Case) -> Boxes:
        """The boxes of a case; () where it is looked at whole."""
        return self.boxes.get(case.id, ())

    @property
    def margin_mm(self) -> Millimetres | None:
        """What the boxes hold around the structures, along L, P, S; None: whole scans are looked at."""
        return self.part.margin_mm if self.part else None


@dataclass(frozen=True)
class TrainingJob:
    """What a training has at hand.

    Attributes:
        job: its directory.
        config: of the whole training.
        workplace: where to compute, and since when it is done.
        team: the processes that train together.
        reporter: takes events, knows when to stop.
        cache_folder: for prepared scans.
        survey: what was found in the cases; known to the leader alone.
    """

    job: Job
    config: TrainConfig
    workplace: Workplace
    team: Team
    reporter: Reporter
    cache_folder: Path
    survey: Survey


def find_regions(training: TrainingJob, datalist: Datalist, initial: ModelPackage | None) -> Regions:
    """Do the coarse stage of a training, or what is left of it.

    Args:
        training: what it has at hand.
        datalist: the cases.
        initial: the model from which the training goes on, whose coarse network is taken as it is; None: none.

    Raises:
        CoraNetError: something is wrong with data, settings or disk.
        JobCancelled: stopped on request, after a checkpoint.
    """
    return _CoarseStage(training, datalist, initial).run()


def expected_part(
    config: TrainConfig, scans: Sequence[LabeledScan], reporter: Reporter, initial: ModelPackage | None
) -> CoarsePart | None:
    """The coarse network that a training would have, with the least margin; None: none. See `find_regions`."""
    if initial is not None or config.plan_of:
        return inherited_part(config, initial)
    is_enabled = bool(scans) and config.data.coarse_stage != "off"
    part = new_part(config, scans) if is_enabled else None
    if part is not None:
        reporter.emit(Noted("coarse_stage", decision(part, scans)))
    return part


def inherited_part(config: TrainConfig, initial: ModelPackage | None) -> CoarsePart | None:
    """The coarse network of an earlier model, else of the training that `plan_of` names; None: that has none."""
    if initial is not None:
        return initial.coarse
    path = Job.open(config.plan_of).coarse_plan_path
    part = read_json(path)["part"] if path.exists() else None
    return CoarsePart.from_dict(part) if part else None


class _CoarseStage:
    def __init__(self, training: TrainingJob, datalist: Datalist, initial: ModelPackage | None) -> None:
        self._config, self._device = training.config, training.workplace.device
        self._cache_folder, self._survey = training.cache_folder, training.survey
        self._job, self._team, self._reporter = training.job, training.team, training.reporter
        self._initial = initial
        self._datalist = datalist
        self._cases = datalist.with_role(*USED_ROLES)
        self._values = [label.value for label in datalist.labels]

    def run(self) -> Regions:
        stored = self._team.from_leader(self._stored)
        if stored is None and self._job.last_checkpoint_path.exists():
            return Regions()
        if stored is not None and "boxes" in stored:
            return self._finished(stored)
        scans = self._team.from_leader(self._labeled_scans)
        plan = stored or self._team.from_leader(lambda: self._plan(scans))
        if plan is None:
            return Regions()
        part = CoarsePart.from_dict(plan["part"])
        prepared = self._team.leader_first(lambda: self._prepared(part))
        network = self._trained(part, plan, prepared)
        regions = self._team.from_leader(lambda: self._regions(part, network, prepared, scans))
        return replace(regions, network=network) if regions.part else regions

    def _stored(self) -> dict[str, Any] | None:
        """What an earlier process has decided on this stage; None: nothing, or the stage has not started."""
        has_started = self._job.last_checkpoint_path.exists() or self._job.coarse_checkpoint_path.exists()
        path = self._job.coarse_plan_path
        if not (has_started and path.exists()):
            return None
        content = dict(read_json(path))
        if content.get("schema_version") != SCHEMA_VERSION:
            raise JobError(f"'{path}' was written by another version; start a new job.")
        return content

    def _finished(self, stored: dict[str, Any]) -> Regions:
        if stored["part"] is None:
            return Regions()
        part = CoarsePart.from_dict(stored["part"])
        boxes = {case: tuple(map(Box.from_lists, content)) for case, content in stored["boxes"].items()}
        return Regions(part, boxes, _network_of(self._job, part, self._device))

    def _labeled_scans(self) -> list[LabeledScan]:
        if inherited_part(self._config, self._initial) if self._is_taken else self._config.data.coarse_stage != "off":
            return self._survey.labeled_scans(self._datalist)
        return []

    @property
    def _is_taken(self) -> bool:
        """Whether the network is that of an earlier model, or of the training whose plan is taken over."""
        return self._initial is not None or bool(self._config.plan_of)

    def _plan(self, scans: Sequence[LabeledScan]) -> dict[str, Any] | None:
        """The coarse network and its steps, kept in the job; None: whole scans are looked at.

        Where a time is given, the steps are null until some were timed.
        """
        config = self._config
        if not scans:
            return None
        part = inherited_part(config, self._initial) if self._is_taken else new_part(config, scans)
        if part is None:
            return None
        steps = steps_for_cost(config, part, fine_patch_voxels(config.data, scans, part.margin_mm))
        self._reporter.emit(Noted("coarse_stage", decision(part, scans)))
        across = fine_slice_axis(config, [scan.statistics for scan in scans])
        return self._kept(part, None if config.time else steps, across)

    def _kept(self, part: CoarsePart, steps: int | None, slice_axis: int | None) -> dict[str, Any]:
        content = {
            "schema_version": SCHEMA_VERSION, "part": part.to_dict(), "steps": steps, "slice_axis": slice_axis,
        }  # fmt: skip
        write_json_atomic(self._job.coarse_plan_path, content)
        return content

    def _prepared(self, part: CoarsePart) -> list[PreparedCase]:
        """All cases as the coarse network sees them."""
        prepared: list[PreparedCase] = []
        pace = Pace(self._reporter, {PREPARING: len(self._cases)})
        for number, case in enumerate(self._cases, start=1):
            self._reporter.stop_if_requested()
            folder = self._cache_folder
            prepared.append(prepare_case(case, part.preprocessing, self._values, folder, merged=True))
            pace.step(PREPARING, number)
        return prepared

    def _trained(self, part: CoarsePart, plan: dict[str, Any], prepared: Sequence[PreparedCase]) -> nn.Module:
        """The coarse network, trained to its last step or taken from an earlier model."""
        path = self._job.coarse_checkpoint_path
        if self._is_taken:
            return self._inherited(part)
        config = coarse_config(self._config, plan["steps"] or 1, self._has_unlabeled)
        quiet = replace(self._reporter, emit=self._relay)
        uses_unlabeled = METHODS[config.training.method].uses_unlabeled
        cases = replace(training_cases(prepared, ["structures"], uses_unlabeled, quiet), validation=())
        window = SlidingWindow.of(part.architecture, config.inference, self._device)
        # A stage that an earlier version started goes on as it did.
        slice_axis = plan.get("slice_axis")
        with self._loader(config, part, slice_axis, (cases.labeled, cases.unlabeled)) as loader:
            if plan["steps"] is None:
                steps = self._timed_steps(config, (part, slice_axis), loader)
                config = coarse_config(self._config, steps, self._has_unlabeled)
            state = TrainingState(config, part.architecture, self._device)
            if path.exists():
                state.load(path)
            context = TrainerContext(self._device, self._team, window, quiet)
            Trainer(state, cases, loader, context).run(path, path)
        return state.teacher

    def _timed_steps(self, config: TrainConfig, choice: tuple[CoarsePart, int | None], loader: Loader) -> int:
        """The steps that fit into the stage's share of the time, from some that are thrown away; kept in the job."""
        self._reporter.stop_if_requested()
        part, slice_axis = choice
        state = TrainingState(config, part.architecture, self._device)
        step = measure_steps(state, self._device, self._team, loader, _TIMED_STEPS)
        steps = self._team.from_leader(lambda: steps_in_share(seconds_of(self._config.time) or 0.0, *step))
        if self._team.is_leader:
            self._kept(part, steps, slice_axis)
        return steps

    @property
    def _has_unlabeled(self) -> bool:
        return any(case.role is Role.UNLABELED or case.is_partial for case in self._cases)

    def _inherited(self, part: CoarsePart) -> nn.Module:
        coarse = self._initial.load_coarse(self._device, self._config.inference) if self._initial else None
        network = coarse.network if coarse else _network_of(Job.open(self._config.plan_of), part, self._device)
        if self._team.is_leader:
            save_tensors(self._job.coarse_checkpoint_path, {"teacher": network.state_dict()})
        return network

    def _loader(
        self,
        config: TrainConfig,
        part: CoarsePart,
        slice_axis: int | None,
        cases: tuple[Sequence[PreparedCase], Sequence[PreparedCase]],
    ) -> Loader:
        training, spacing_mm = config.training, part.preprocessing.spacing_mm
        sampler = patch_sampler(config, part.architecture, spacing_mm[::-1], slice_axis)
        sizes = (int(training.labeled_batch_size or 1), int(training.unlabeled_batch_size or 1) if cases[1] else 0)
        return Loader(sampler, *cases, sizes, self._device, Shard(self._team.rank, self._team.count))

    def _relay(self, event: Event) -> None:
        """Progress in a phase of its own; the losses of this stage do not mix into the curves of the fine one."""
        if isinstance(event, Progress):
            self._reporter.emit(Progress(FINDING, event.step, event.total_steps, event.seconds_left))
        elif isinstance(event, Warned) and event.code in _RELAYED:
            self._reporter.emit(event)

    def _regions(
        self, part: CoarsePart, network: nn.Module, prepared: Sequence[PreparedCase], scans: Sequence[LabeledScan]
    ) -> Regions:
        """Boxes of all cases, and the margin that covers what was missed; kept in the job."""
        window = SlidingWindow.of(part.architecture, self._config.inference, self._device)
        found = Found(CoarseNetwork(part, network, window), prepared, self._reporter)
        if not self._is_taken:
            least, missed = part.margin_mm, found.missed(Role.TRAINING, Role.VALIDATION)
            part = replace(part, margin_mm=measured_margin_mm(self._config.data, least, missed))
        boxes = found.boxes(part, {scan.case_id: scan for scan in scans})
        sentence = found.in_words(part, boxes)
        if self._config.data.coarse_stage == "auto" and not self._is_taken and found.share_left(boxes) > _MOST_LEFT:
            # A network that has not learned to find: patches of crops would teach the fine one nothing of the rest.
            self._reporter.emit(Noted("coarse_result", f"{sentence} That is no gain, so whole scans are used."))
            write_json_atomic(self._job.coarse_plan_path, {"schema_version": SCHEMA_VERSION, "part": None, "boxes": {}})
            return Regions()
        self._reporter.emit(Noted("coarse_result", sentence))
        content = {
            "schema_version": SCHEMA_VERSION, "part": part.to_dict(), "steps": 0,
            "boxes": {case: [box.to_lists() for box in some] for case, some in boxes.items()},
        }  # fmt: skip
        write_json_atomic(self._job.coarse_plan_path, content)
        add_to_record(self._job, found.warnings)
        return Regions(part, boxes)


def _network_of(job: Job, part: CoarsePart, device: Device) -> nn.Module:
    """The trained coarse network of a job, in evaluation mode."""
    network = CoraNet(part.architecture)
    try:
        network.load_state_dict(load_tensors(job.coarse_checkpoint_path)["teacher"])
    except (KeyError, RuntimeError) as error:
        raise JobError(
            f"the checkpoint '{job.coarse_checkpoint_path}' belongs to another network; start a new job."
        ) from error
    return place(network, device).eval()
