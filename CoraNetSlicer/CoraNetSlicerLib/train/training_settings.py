"""The settings of a training as a form shows them: texts that a person changes, checked by the configuration itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from coranet.contract.config import DEFAULT_PRESET, SEGMENTATION_ONLY, Setting, TrainConfig, preset_names
from coranet.contract.config.presets import preset_path, read_preset
from coranet.contract.errors import ConfigError

from ..core.notification import Signal
from ..core.parameters import Parameters
from ..core.translation import _

TIME = "time"
STEPS = ("training.pretraining_steps", "training.self_training_steps")
BASIC_SETTINGS = (TIME, "data.validation_cases", "machine.device")
SNAPSHOT_INTERVAL = "training.snapshot_interval"
# Enough to scroll through, and few enough that segmenting a whole scan so often does not slow the training down.
_SNAPSHOTS = 20

_PARAMETER = "TrainingSettings"
_GENERAL = "general"
_LONGEST_ABBREVIATION = 3
_PROPOSALS = {TIME: ("20 min", "1 h", "4 h", "8 h")}


@dataclass(frozen=True)
class SettingField:
    """One setting as a form shows it; all of it is derived from the setting's own description.

    Attributes:
        name: path of the setting, for example "training.learning_rate".
        section: first part of the path; "general" for a setting of no section.
        label: a few words for people.
        tool_tip: meaning, unit, range and the paper's value.
        choices: the words to choose from; empty: it is typed.
        proposals: some of the texts that can be typed, to choose from.
    """

    name: str
    section: str
    label: str
    tool_tip: str
    choices: tuple[str, ...]
    proposals: tuple[str, ...] = ()

    def matches(self, query: str) -> bool:
        """Whether all words of a query occur in name, label or meaning."""
        text = f"{self.name} {self.label} {self.tool_tip}".lower()
        return all(word in text for word in query.lower().split())


@lru_cache(maxsize=1)
def setting_fields() -> dict[str, SettingField]:
    """Every setting that a training reads by its name, in the order of the configuration."""
    return {
        setting.name: _field(setting) for setting in TrainConfig.settings() if setting.name not in SEGMENTATION_ONLY
    }


class TrainingSettings:
    """A preset, and what a person changed in it. What is typed is kept as it was typed, right or wrong.

    A training has a time or numbers of steps: setting one takes back the other. The scene remembers it.

    Attributes:
        changed: sent after each change.
        overrides: setting -> value, where it differs from the preset; wrong texts are left out.
        errors: setting -> what is wrong with the text that was typed, in a sentence.
    """

    def __init__(self, parameters: Parameters) -> None:
        self.changed = Signal()
        self._parameters = parameters
        self.preset, self._base = DEFAULT_PRESET, TrainConfig.from_preset(DEFAULT_PRESET)
        self._defaults = {
            setting.name: setting.default for setting in TrainConfig.settings() if setting.name in setting_fields()
        }
        self._read()

    @property
    def presets(self) -> tuple[str, ...]:
        """Names of the presets, the one for a new user first."""
        others = [name for name in preset_names() if name != DEFAULT_PRESET]
        return (DEFAULT_PRESET, *others)

    @property
    def time(self) -> str:
        """How long the training may take in all; "": as long as its steps take."""
        return self._config.time

    @property
    def description(self) -> str:
        """What the chosen preset is for."""
        return str(read_preset(preset_path(self.preset)).get("description", ""))

    @property
    def reason_wrong(self) -> str:
        """What is wrong with the first wrong setting, with its name; "" if none is."""
        for name, error in self.errors.items():
            return _("{setting} {error}").format(setting=setting_fields()[name].label, error=error)
        return ""

    def text(self, name: str) -> str:
        """The text in the field of a setting; "" where the engine chooses."""
        typed = self._typed.get(name)
        if typed is not None:
            return typed
        return "" if self._is_planned(name) else as_text(self._config.value(name))

    def placeholder(self, name: str) -> str:
        """What holds as long as the field of a setting is empty."""
        if name == TIME:
            return self._config.time or _("as many steps as are set under Advanced")
        if self._is_planned(name):
            return _("as many as the time allows")
        if self._config.value(name) is None:
            return _("auto")
        empty = {type(None): _("auto"), tuple: _("none")}
        return as_text(self._base.value(name)) or empty.get(type(self._defaults[name]), "")

    def error(self, name: str) -> str:
        """What is wrong with the text of a setting; "" if nothing."""
        return self.errors.get(name, "")

    def is_overridden(self, name: str) -> bool:
        """Whether a setting differs from the preset."""
        return name in self.overrides

    def set_preset(self, name: str) -> None:
        """Choose a preset; what was changed in the one before stays changed. Raises ConfigError if there is none."""
        if name == self.preset:
            return
        typed = {key: text for key, text in self._typed.items() if key in self.overrides or key in self.errors}
        self._use(name, typed)
        self._write()

    def set_text(self, name: str, text: str) -> None:
        """Take the text in the field of a setting; an emptied field has the preset's value, or automatic."""
        if text == self.text(name):
            return
        typed = {key: old for key, old in self._typed.items() if not (text.strip() and _excludes(name, key))}
        self._use(self.preset, {**typed, name: text})
        self._write()

    def config(self) -> TrainConfig:
        """The configuration of the training; raises ConfigError where a text is wrong, naming the setting."""
        if self.errors:
            raise ConfigError(self.reason_wrong)
        return self._config

    def restore(self) -> None:
        """Read again what the scene remembers."""
        self._read()
        self.changed.send()

    def _read(self) -> None:
        remembered = self._parameters.value(_PARAMETER, {})
        remembered = remembered if isinstance(remembered, Mapping) else {}
        typed = remembered.get("typed")
        typed = typed if isinstance(typed, Mapping) else {}
        valid = {name: text for name, text in typed.items() if name in self._defaults and isinstance(text, str)}
        if valid.get(TIME, "").strip():
            valid = {name: text for name, text in valid.items() if name not in STEPS}
        preset = remembered.get("preset")
        self._use(preset if preset in preset_names() else DEFAULT_PRESET, valid)

    def _write(self) -> None:
        self._parameters.set_value(_PARAMETER, {"preset": self.preset, "typed": self._typed})
        self.changed.send()

    def _use(self, preset: str, typed: dict[str, str]) -> None:
        if preset != self.preset:
            self.preset, self._base = preset, TrainConfig.from_preset(preset)
        self._typed = typed
        self.overrides: dict[str, Any] = {}
        self.errors: dict[str, str] = {}
        for name, text in typed.items():
            self._check(name, text)
        self._config = self._with_snapshots(self._base.with_overrides(self.overrides))

    def _check(self, name: str, text: str) -> None:
        default = self._defaults[name]
        if not text.strip() and isinstance(default, (int, float)):
            return
        try:
            value = self._base.with_overrides({name: _parsed(text.strip(), default)}).value(name)
        except ConfigError as error:
            self.errors[name] = _without_name(str(error), name)
            return
        # Steps that are those of the preset are a change, too, where the preset has a time.
        if value != self._base.value(name) or (name in STEPS and self._base.time):
            self.overrides[name] = value

    def _is_planned(self, name: str) -> bool:
        """Whether the engine finds the value of a setting so that the training takes the time it may."""
        return name in STEPS and bool(self._config.time)

    def _with_snapshots(self, config: TrainConfig) -> TrainConfig:
        """Snapshots are kept unless a person or the preset sets how often: the panel shows them."""
        training = config.training
        if training.snapshot_interval or self._typed.get(SNAPSHOT_INTERVAL, "").strip():
            return config
        steps = training.pretraining_steps + training.self_training_steps
        # Only the engine knows how many steps fit into a time.
        return config.with_overrides({SNAPSHOT_INTERVAL: None if config.time else max(1, steps // _SNAPSHOTS)})


def _excludes(name: str, other: str) -> bool:
    """Whether a setting takes the place of another one."""
    return (name == TIME and other in STEPS) or (name in STEPS and other == TIME)


def as_text(value: Any) -> str:
    """A value as text in a field: parts of a list with commas between them, "" for what is automatic."""
    if value is None:
        return ""
    if isinstance(value, (list, tuple)):
        return ", ".join(as_text(part) for part in value)
    return str(value)


def _parsed(text: str, default: Any) -> Any:
    """What the configuration takes for a text."""
    if isinstance(default, str):
        # As JSON: a case named 001 is not the number 1.
        return json.dumps(text)
    if not text:
        return [] if isinstance(default, tuple) else None
    if not text.startswith("[") and ("," in text or isinstance(default, tuple)):
        return [_part(part.strip()) for part in text.split(",") if part.strip()]
    return text


def _part(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _without_name(message: str, name: str) -> str:
    beginning = f"the setting '{name.rpartition('.')[2]}' "
    return message[len(beginning) :] if message.startswith(beginning) else message


def _field(setting: Setting) -> SettingField:
    section, _dot, last = setting.name.rpartition(".")
    # A tuple of choices (axes) is typed: several may hold at once.
    choices = setting.choices if isinstance(setting.default, str) else ()
    return SettingField(
        setting.name, section or _GENERAL, _(_label(last, setting.unit)), _tool_tip(setting), choices,
        _PROPOSALS.get(setting.name, ()),
    )  # fmt: skip


def _label(name: str, unit: str) -> str:
    """The name in words, "Patch size (voxels)"; a unit that the name ends with is not repeated."""
    parts = [word for word in name.split("_") if word != "kji"]
    if unit and parts[-1] == unit and len(unit) <= _LONGEST_ABBREVIATION:
        parts.pop()
    names_unit = not unit or parts[-1] == unit
    return " ".join(parts).capitalize() + ("" if names_unit else f" ({unit})")


def _tool_tip(setting: Setting) -> str:
    lines = [setting.meaning.replace("null:", "auto:")]
    if setting.unit:
        lines.append(_("Unit: {unit}.").format(unit=setting.unit))
    if setting.minimum is not None:
        lines.append(_("From {least} to {most}.").format(least=setting.minimum, most=setting.maximum))
    if setting.choices:
        lines.append(_("One of: {words}.").format(words=", ".join(map(str, setting.choices))))
    if setting.paper:
        lines.append(_("In the paper: {value}.").format(value=setting.paper))
    return "\n".join([*lines, _("Setting: {name}").format(name=setting.name)])
