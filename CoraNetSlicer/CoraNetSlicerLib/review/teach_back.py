"""Teach back without widgets: the reviewed cases of the scene, and a training that goes on from a model with them."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

from coranet.contract import JobStatus, ModelCard
from coranet.contract.errors import CoraNetError, JobError
from coranet.contract.events import Finished, duration

from ..core.console_calls import CallLog, call
from ..core.notification import Signal
from ..core.protocols import Scheduler
from ..core.results import REVIEWED_ATTRIBUTE, LoadedPrediction, result_texts, results_in_scene
from ..core.stepwise import Deferred, StepwiseWork
from ..core.translation import _
from ..jobs.handle import JobHandle
from ..jobs.model_choice import ModelChoice
from ..logic import CoraNetLogic
from ..train.presenter import TrainingPresenter
from .improvement import PromotedCase, find_training
from .review_record import ReviewRecord

if TYPE_CHECKING:
    from ..environment.presenter import EnvironmentPresenter


@dataclass(frozen=True)
class ReviewedCase:
    """A case of the scene of which regions are decided.

    Attributes:
        key: names the case while the scene is open.
        loaded: the result.
        text: what a person calls it, with how far its review is.
        regions: how many are decided.
        is_used: whether it is to be learned from.
    """

    key: str
    loaded: LoadedPrediction
    text: str
    regions: int
    is_used: bool


class TeachBackPresenter:
    """State and actions of teaching back.

    Attributes:
        changed: sent after each change of what is shown.
        started: sent with the JobHandle of a training that was started here.
        cases: the reviewed cases of the scene.
        lost: which reviewed cases cannot be learned from, and why; "" if all can.
        trusts_certain: whether the certain region of these cases counts as truth, too.
        error: what went wrong while a training was being started; "" if nothing.
    """

    def __init__(
        self, logic: CoraNetLogic, models: ModelChoice, training: TrainingPresenter,
        environment: EnvironmentPresenter, calls: CallLog, application: Scheduler,
    ) -> None:  # fmt: skip
        """Look for reviewed cases, with which the chosen one of the models can be improved."""
        self.changed, self.started = Signal(), Signal()
        self.cases: tuple[ReviewedCase, ...] = ()
        self.lost = ""
        self.trusts_certain = False
        self.error = ""
        self._logic = logic
        self._models = models
        self._training = training
        self._environment = environment
        self._calls = calls
        self._unused: set[str] = set()
        self._writing = StepwiseWork(application, self._on_end, self.changed.send)
        self._improved: Optional[JobHandle] = None
        self._durations: dict[Path, float] = {}
        self._look = Deferred(application, self._look_now)
        self.changed.follow(models.changed, training.changed, environment.changed)
        self.look_again()

    def look_again(self) -> None:
        """Look again what is reviewed, soon."""
        self._look.request()

    def close(self) -> None:
        """Let go of everything; a training goes on."""
        self.changed.unfollow()
        self._look.close()
        self._writing.stop()

    @property
    def summary(self) -> str:
        """How much there is to learn from, which model is improved, and how long that takes."""
        if not self.cases:
            return self.lost or _("No reviewed case yet. Decide on places of a result above.")
        text = _("{regions} in {cases}.").format(
            regions=_count_regions(self._regions), cases=_count_cases(len(self._used))
        )
        chosen = self._models.chosen
        improves = _("Improves '{name}', the model chosen under Segment.").format(name=chosen.name) if chosen else ""
        return " ".join(sentence for sentence in (text, self.lost, improves, self.time_text) if sentence)

    @property
    def time_text(self) -> str:
        """How long the training will take; "" if unknown."""
        chosen = self._models.chosen
        if chosen is None:
            return ""
        if chosen.card.time:
            return _("It takes about {time}, the time set for that model.").format(time=chosen.card.time)
        if chosen.folder not in self._durations:
            self._durations[chosen.folder] = _duration(chosen.folder)
        seconds = self._durations[chosen.folder]
        text = _("It takes about {time}, as the training of that model did.")
        return text.format(time=duration(seconds)) if seconds else ""

    @property
    def title(self) -> str:
        """The title of the fold, with a summary of its content."""
        if not self.cases:
            return _("Teach back")
        return _("Teach back: {regions}").format(regions=_count_regions(self._regions))

    @property
    def button_text(self) -> str:
        """What the button does."""
        if not self._regions:
            return _("Improve the model")
        return _("Improve the model with {regions}").format(regions=_count_regions(self._regions))

    @property
    def is_improving(self) -> bool:
        """Whether the training that was started here is at work."""
        handle, improved = self._training.handle, self._improved
        is_own = handle is not None and improved is not None and handle.folder == improved.folder
        return is_own and self._training.is_active

    @property
    def status(self) -> str:
        """What is being written, or the status of the training that was started here; "" if there is neither."""
        if self._writing.is_busy:
            return self._writing.latest or _("Writing the reviewed cases ...")
        if self._improved is not None and self._improved.status.is_over:
            return self._outcome(self._improved)
        return _("Improving {status}").format(status=self._training.status) if self.is_improving else ""

    def _outcome(self, improved: JobHandle) -> str:
        """How the training that was started here ended."""
        name, card = improved.folder.name, self._card_of_improved
        if improved.status is not JobStatus.FINISHED:
            return _("'{name}' did not finish. See the page Train.").format(name=name)
        if card is None or card.mean_before is None or card.mean_dice is None:
            unknown = _(
                "'{name}' is ready. Its quality was not measured, because no labeled case was set aside for "
                "validation. Segment a reviewed case with it to compare."
            )
            return unknown.format(name=name)
        text = _("'{name}' is ready. Mean validation Dice: {before:.3f} before, {after:.3f} after.")
        return text.format(name=name, before=card.mean_before, after=card.mean_dice)

    @property
    def reason_not_usable(self) -> str:
        """Why the improved model cannot be chosen under Segment; "" if it can."""
        if self._improved is None or self._improved.status is not JobStatus.FINISHED:
            return _("No model has been improved yet.")
        chosen = self._models.chosen
        is_chosen = chosen is not None and chosen.folder == self._improved.folder
        return _("It is chosen already.") if is_chosen else ""

    @property
    def reason_not_startable(self) -> str:
        """Why the model cannot be improved now; "" if it can."""
        if self._writing.is_busy:
            return _("The reviewed cases are being written.")
        if self._training.is_active:
            return _("A training is running. Stop it, or wait until it is finished.")
        if not self._regions:
            return _("Review places of at least one case first.") if not self.cases else _("Tick at least one case.")
        return self._environment.reason_not_ready or self._models.reason_missing

    @property
    def comparison(self) -> Optional[ModelCard]:
        """The card of a model that was improved, with its validation before and after; None: there is none.

        That of the training that was started here, once it is finished, else that of the chosen model.
        """
        chosen = self._models.chosen
        return self._card_of_improved or (chosen.card if chosen is not None and chosen.card.before else None)

    def set_used(self, key: str, used: bool) -> None:
        """Use a case, or leave it out."""
        self._unused = self._unused - {key} if used else self._unused | {key}
        self._look_now()

    def set_trusts_certain(self, trusts: bool) -> None:
        """Let what is certain count as truth, too, or not."""
        self.trusts_certain = trusts
        self.changed.send()

    def use_improved(self) -> None:
        """Choose the improved model under Segment."""
        if self._improved is not None:
            self._models.choose(self._improved.folder)

    def start(self) -> None:
        """Begin to write the reviewed cases and to train on from the model; returns at once, or raises the reason."""
        if self.reason_not_startable or self._models.chosen is None:
            raise JobError(self.reason_not_startable)
        self.error = ""
        self._writing.begin(self._start_steps([case.loaded for case in self._used], self._models.chosen.folder))
        self.changed.send()

    @property
    def _used(self) -> list[ReviewedCase]:
        return [case for case in self.cases if case.is_used]

    @property
    def _regions(self) -> int:
        return sum(case.regions for case in self._used)

    def _look_now(self) -> None:
        results = results_in_scene(self._logic.context.scene)
        texts = result_texts(results)
        known = (self._case(loaded, texts[str(loaded.segmentation.GetID())]) for loaded in results)
        cases, lost = tuple(case for case in known if case), self._lost(results)
        if (cases, lost) != (self.cases, self.lost):
            self.cases, self.lost = cases, lost
            self.changed.send()

    def _lost(self, results: Iterable[LoadedPrediction]) -> str:
        """Reviewed results whose volume was deleted: their decisions are in the scene, and of no use without it."""
        lost = [(loaded, self._decided(loaded)) for loaded in results if loaded.volume is None]
        text = _("{regions} of '{name}' cannot be used: its volume was deleted or changed. Load its result again.")
        lost_texts = [
            text.format(regions=_count_regions(count), name=loaded.segmentation.GetName())
            for loaded, count in lost
            if count
        ]
        return " ".join(lost_texts)

    def _decided(self, loaded: LoadedPrediction) -> int:
        with suppress(CoraNetError):
            review = ReviewRecord(self._logic.context, loaded).read()
            return len(review.review.decisions) if review is not None else 0
        return 0

    def _case(self, loaded: LoadedPrediction, name: str) -> Optional[ReviewedCase]:
        if not loaded.segmentation.GetAttribute(REVIEWED_ATTRIBUTE) or loaded.volume is None:
            return None
        try:
            review = self._logic.regions(loaded)
        except CoraNetError:
            return None  # the section Review shows the reason
        regions, total = len(review.review.decisions), len(review.regions.regions)
        text = _("{name}: {decided} of {total} places").format(name=name, decided=regions, total=total)
        key = str(loaded.segmentation.GetID())
        return ReviewedCase(key, loaded, text, regions, key not in self._unused) if regions else None

    def _start_steps(self, cases: list[LoadedPrediction], model: Any) -> Generator[str, None, None]:
        promoted: list[PromotedCase] = []
        for number, loaded in enumerate(cases, start=1):
            yield _("Writing reviewed case {number} of {total} ...").format(number=number, total=len(cases))
            promoted.append(self._logic.promote(loaded, self.trusts_certain))
        yield _("Preparing the training ...")
        handle = self._logic.improve(model, promoted)
        names = [str(loaded.segmentation.GetName()) for loaded in cases]
        for name in names:
            self._calls.add(call("promote", name, trustCertain=self.trusts_certain))
        self._calls.add(call("improve", model, names, folder=handle.folder))
        self._improved = handle
        self.started.send(handle)

    def _on_end(self, problem: str) -> None:
        self.error = problem
        self.changed.send()

    @property
    def _card_of_improved(self) -> Optional[ModelCard]:
        handle = self._improved
        if handle is None or handle.status is not JobStatus.FINISHED:
            return None
        with suppress(CoraNetError):
            card = ModelCard.read(handle.folder)
            return card if card.before else None
        return None


def _duration(model: Path) -> float:
    """Seconds that the training of a model took, without what was stopped before; 0 if unknown."""
    with suppress(CoraNetError):
        training = find_training(model)
        events = training.read_events() if training is not None else []
        return next((event.seconds for event in reversed(events) if isinstance(event, Finished)), 0.0)
    return 0.0


def _count_cases(count: int) -> str:
    return _("1 case") if count == 1 else _("{count} cases").format(count=count)


def _count_regions(count: int) -> str:
    return _("1 reviewed place") if count == 1 else _("{count} reviewed places").format(count=count)
