"""The console call for each button, ready to be pasted into the Python console."""

from __future__ import annotations

import json
import logging
from collections import deque
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from coranet.contract.config import DEFAULT_PRESET, TrainConfig

from .case_images import CaseImages, LabelFile, images_of
from .export import TrainingNodes
from .notification import Signal

_LOG = logging.getLogger(__name__)
_MOST_CALLS = 200
# The panel's own logic: another one would know nothing of the steps that this one can take back.
_LOGIC = "logic = slicer.modules.coranetslicer.widgetRepresentation().self().logic"
_LABEL_FILE = "from CoraNetSlicerLib.core.case_images import LabelFile"


class CallLog:
    """The calls of this session, oldest first; each is also written to the application's log, and sends `changed`."""

    def __init__(self) -> None:
        self.changed = Signal()
        self._calls: deque[str] = deque(maxlen=_MOST_CALLS)

    def add(self, call: str) -> None:
        """Keep a call, as of `call`."""
        self._calls.append(call)
        _LOG.info("%s", call)
        self.changed.send()

    @property
    def last(self) -> str:
        """The latest call; "" if there is none."""
        return self._calls[-1] if self._calls else ""

    @property
    def text(self) -> str:
        """All calls, a line each, after what they need; "" if there is none."""
        if not self._calls:
            return ""
        needed = [_LABEL_FILE] if any("LabelFile(" in text for text in self._calls) else []
        return "".join(f"{line}\n" for line in [*needed, _LOGIC, *self._calls])


def call(method: str, *positional: Any, then: str = "", **named: Any) -> str:
    """A call of the logic.

    Args:
        method: of CoraNetLogic.
        positional: arguments: texts, numbers, paths, nodes of the scene, and lists, tuples and dictionaries of such.
        then: a method without arguments of what it returns; "": none.
        named: arguments with their names; those that are None, "" or empty are left out.

    Example:
        >>> call("resolveRegion", "Patient 7 CoraNet", 3, "radical")
        'logic.resolveRegion("Patient 7 CoraNet", 3, "radical")'
    """
    arguments = [_literal(value) for value in positional]
    arguments += [f"{name}={_literal(value)}" for name, value in named.items() if value not in (None, "", [])]
    return f"logic.{method}({', '.join(arguments)})" + (f".{then}()" if then else "")


def train_call(nodes: TrainingNodes, config: TrainConfig, folder: Path) -> str:
    """The call that starts a training; of the settings it names the time, and those that differ from the preset."""
    named: dict[str, Any] = {"settings": _settings(config), "folder": folder}
    named["segmentNames"] = list(nodes.segment_names or [])
    named["validation"] = [(_by_name(images, nodes), label) for images, label in nodes.validation]
    labeled = [(_by_name(images, nodes), label) for images, label in nodes.labeled]
    return call("train", labeled, [_by_name(images, nodes) for images in nodes.unlabeled], **named)


def _by_name(images: CaseImages, nodes: TrainingNodes) -> Any:
    """The images of a case by the names of their channels, where these have names."""
    several = images_of(images)
    return dict(zip(nodes.channels, several, strict=False)) if len(several) > 1 and nodes.channels else images


def _settings(config: TrainConfig) -> Mapping[str, Any]:
    preset = TrainConfig.from_preset(config.preset)
    values = {setting.name: config.value(setting.name) for setting in TrainConfig.settings()}
    # The time comes first: it is what a person sets.
    chosen = {"preset": config.preset} if config.preset != DEFAULT_PRESET else {}
    chosen.update({"time": config.time} if config.time else {})
    others = {name: value for name, value in values.items() if name != "preset" and value != preset.value(name)}
    if {"training.pretraining_steps", "training.self_training_steps"} & others.keys():
        # Steps switch the preset's time off by themselves.
        others.pop("time", None)
    return {**chosen, **others}


def _literal(value: Any) -> str:
    if isinstance(value, Path):
        return _literal(value.as_posix())
    if isinstance(value, str):
        # As people write it; a text with special characters as Python does.
        plain = json.dumps(value, ensure_ascii=False)
        return plain if "\\" not in plain else repr(value)
    if isinstance(value, (list, tuple)):
        parts = ", ".join(_literal(item) for item in value)
        return f"[{parts}]" if isinstance(value, list) else f"({parts}{',' if len(value) == 1 else ''})"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_literal(key)}: {_literal(item)}" for key, item in value.items()) + "}"
    if isinstance(value, LabelFile):
        return f"LabelFile({', '.join(_literal(getattr(value, field.name)) for field in fields(value))})"
    return _node(value) if hasattr(value, "GetScene") else repr(value)


def _node(node: Any) -> str:
    name, scene = str(node.GetName()), node.GetScene()
    is_known_by_name = scene is not None and scene.GetFirstNodeByName(name) is node
    look_up = f"GetFirstNodeByName({_literal(name)})" if is_known_by_name else f"GetNodeByID({_literal(node.GetID())})"
    return f"slicer.mrmlScene.{look_up}"
