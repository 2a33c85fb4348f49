"""A machine in one line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..core.translation import _
from .fixes import title, titles
from .probe import Health


def summary_of(health: Health) -> str:
    """For example "Ready: Python 3.12, PyTorch 2.9 on NVIDIA RTX 4090, 22 of 24 GiB free."."""
    facts = health.facts
    if health.is_well:
        text = _("Ready: Python {python}, PyTorch {torch} on {device}.")
        return text.format(python=_short(facts, "python"), torch=_short(facts, "torch"), device=_device(facts))
    missing = [one.topic for one in health.findings if one.code == "package.missing"]
    if len(missing) == 1:
        return _("{package} is missing.").format(package=title(missing[0]))
    if missing:
        return _("{packages} are missing.").format(packages=titles(missing))
    message = next((one.message for one in health.findings if one.level == "error"), "")
    return message[:1].upper() + message[1:]


def _device(facts: Mapping[str, Any]) -> str:
    name = str(facts.get("device", "?"))
    total, free = facts.get("device_gib"), facts.get("device_free_gib")
    if total is None or free is None:
        return name
    return _("{name}, {free} of {total} GiB free").format(name=name, free=round(free), total=round(total))


def _short(facts: Mapping[str, Any], name: str) -> str:
    """A version without its last numbers, which nobody needs to read."""
    return ".".join(str(facts.get(name, "?")).split("+")[0].split(".")[:2])
