"""The model that segments: chosen from finished trainings or a folder, with its card."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from coranet.contract import ModelCard
from coranet.contract.errors import CoraNetError, ModelError

from ..core.notification import Signal
from ..core.parameters import Parameters
from ..core.protocols import Host
from ..core.translation import _
from ..logic import CoraNetLogic

_MODEL = "SegmentModel"
_RECENT = "RecentModels"
_MOST_RECENT = 5
_NAMES = {"coranet": "CoraNet"}


@dataclass(frozen=True)
class ModelEntry:
    """A model that can be chosen: its name, and its folder or that of its training."""

    name: str
    folder: Path
    card: ModelCard

    @property
    def text(self) -> str:
        """The name with the date beside it."""
        if not self.card.created:
            return self.name
        day = time.strftime("%Y-%m-%d", time.localtime(self.card.created))
        return _("{name} ({date})").format(name=self.name, date=day)


class ModelChoice:
    """The models at hand, and the one that is chosen.

    Attributes:
        changed: sent when models came or went, or another one was chosen.
        entries: the models: those of trainings first, the latest on top.
        chosen: its entry; None: there is none.
        error: why the model that the scene remembers cannot be used; "" if it can.
    """

    def __init__(self, logic: CoraNetLogic, parameters: Parameters, settings: Host) -> None:
        """Look for models, and choose the one that the scene remembers, else the latest."""
        self.changed = Signal()
        self.entries: tuple[ModelEntry, ...] = ()
        self.chosen: Optional[ModelEntry] = None
        self.error = ""
        self._logic = logic
        self._parameters = parameters
        self._settings = settings
        self.refresh()

    def refresh(self) -> None:
        """Look again for models, after a training ended or the folder of all jobs changed."""
        trained = [entry for entry in map(self._entry, self._logic.jobs()) if entry is not None]
        trained.sort(key=lambda entry: -entry.card.created)
        others = [self._entry(folder) for folder in self._recent()]
        self.entries = tuple([*trained, *(entry for entry in others if entry is not None)])
        self._choose_remembered()
        self.changed.send()

    def choose(self, folder: str | Path) -> None:
        """Choose a model by its folder, or by that of its training; the scene remembers it.

        Raises ModelError where there is no finished model; the choice stays as it was.
        """
        path = Path(folder).expanduser().absolute()
        ModelCard.read(path)
        if path not in [entry.folder for entry in self.entries]:
            recent = [str(path), *(other for other in map(str, self._recent()) if other != str(path))]
            self._settings.set_setting(_RECENT, json.dumps(recent[:_MOST_RECENT]))
        self._parameters.set_text(_MODEL, str(path))
        self.refresh()

    @property
    def text(self) -> str:
        """The card of the model, a line for each entry; "" if none is chosen."""
        return "" if self.chosen is None else card_text(self.chosen.card)

    @property
    def plan(self) -> str:
        """How the time of its training was used, and why, a line for each sentence; "" if it was not planned."""
        return "" if self.chosen is None else "\n".join(self.chosen.card.plan)

    @property
    def reason_missing(self) -> str:
        """Why nothing can be segmented with it; "" if it can."""
        if self.chosen is not None:
            return ""
        return self.error or _("There is no model yet. Train one, or choose the folder of one with Browse.")

    def _choose_remembered(self) -> None:
        remembered = self._parameters.text(_MODEL)
        self.error = ""
        if not remembered:
            self.chosen = self.entries[0] if self.entries else None
            return
        known = {entry.folder: entry for entry in self.entries}
        self.chosen = known.get(Path(remembered))
        if self.chosen is not None:
            return
        try:
            card = ModelCard.read(remembered)
        except ModelError as error:
            self.error = str(error)
            return
        self.chosen = ModelEntry(Path(remembered).name, Path(remembered), card)
        self.entries = (*self.entries, self.chosen)

    @staticmethod
    def _entry(folder: Path) -> Optional[ModelEntry]:
        try:
            return ModelEntry(folder.name, folder.absolute(), ModelCard.read(folder))
        except CoraNetError:
            return None  # not finished, or no training

    def _recent(self) -> list[Path]:
        try:
            return [Path(str(folder)) for folder in json.loads(self._settings.setting(_RECENT, "[]"))]
        except (ValueError, TypeError):
            return []


def card_text(card: ModelCard) -> str:
    """The card of a model, in lines."""
    lines = [
        _("Structures: {classes}").format(classes=", ".join(label.name for label in card.labels)),
        _("Channels: {names}").format(names=", ".join(card.channels)) if len(card.channels) > 1 else "",
        _("Spacing: {spacing} mm").format(spacing=" x ".join(f"{part:.3g}" for part in card.spacing_mm)),
        _dice(card),
        _("Note: {text}").format(text=card.validation_caution) if card.validation_caution else "",
        _before(card),
        card.error_model.sentence() if card.error_model else "",
        _trained_on(card),
        _how(card),
        _("Its training cases: {text}").format(text="; ".join(card.cautions)) if card.cautions else "",
    ]
    return "\n".join(line for line in lines if line)


def comparison_rows(card: ModelCard) -> list[tuple[str, Optional[float], Optional[float]]]:
    """Validation Dice of an improved model: name of each class, before, after; of several classes the mean at last."""
    rows = [(name, card.before.get(name), card.validation_dice.get(name)) for name in card.validation_dice]
    return [*rows, (_("Mean"), card.mean_before, card.mean_dice)] if len(rows) > 1 else rows


def _dice(card: ModelCard) -> str:
    if card.mean_dice is None:
        return _("Not validated: it learned from all labeled cases")
    return _("Validation Dice: {scores}").format(scores=_scores(card.validation_dice, card.mean_dice))


def _before(card: ModelCard) -> str:
    if not card.history:
        return ""
    line = _("Continues a model of {count:,} steps").format(count=card.history[-1].steps)
    if card.reviewed_regions:
        line = _("{text}, with {count} reviewed places").format(text=line, count=card.reviewed_regions)
    if card.mean_before is None:
        return line
    scores = _scores(card.before, card.mean_before)
    return _("{text}; before it had, on the same cases: {scores}").format(text=line, scores=scores)


def _scores(dice: Mapping[str, Optional[float]], mean: float) -> str:
    scores = [f"{name} {value:.2f}" for name, value in dice.items() if value is not None]
    return scores[0] if len(scores) == 1 else f"{mean:.2f} ({', '.join(scores)})"


def _trained_on(card: ModelCard) -> str:
    texts = {"training": _("labeled"), "unlabeled": _("unlabeled"), "validation": _("for validation")}
    counts = [f"{card.trained_on[role]} {text}" for role, text in texts.items() if card.trained_on.get(role)]
    return _("Cases: {counts}").format(counts=", ".join(counts)) if counts else ""


def _how(card: ModelCard) -> str:
    parts = [_NAMES.get(card.method, card.method)]
    parts += [_("preset {name}").format(name=card.preset)] if card.preset else []
    parts += [card.time] if card.time else []
    parts += [_("{count:,} steps").format(count=card.steps)] if card.steps else []
    parts += [time.strftime("%Y-%m-%d %H:%M", time.localtime(card.created))] if card.created else []
    return ", ".join(part for part in parts if part)
