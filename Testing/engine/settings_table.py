"""The table of settings in docs/explanation/method.md; run it (PYTHONPATH=CoraNetSlicer) to write the table anew.

python Testing/engine/settings_table.py
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from coranet.contract.config import TrainConfig

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "explanation" / "method.md"
PRESETS = ("default", "quick", "paper-pancreas-3d", "paper-pancreas-2d", "paper-endocardium", "paper-acdc")


def value_of(config: TrainConfig, name: str) -> Any:
    """The value of a setting by its path."""
    value: Any = config
    for part in name.split("."):
        value = getattr(value, part)
    return value


def rows() -> list[str]:
    """One row for each setting for which the paper has a value."""
    configs = [TrainConfig.from_preset(name) for name in PRESETS]
    head = ["setting", "paper", *(f"`{name}`" for name in PRESETS)]
    lines = [head, ["---"] * len(head)]
    for setting in TrainConfig.settings():
        if setting.paper:
            lines.append(
                [
                    f"`{setting.name}`",
                    setting.paper,
                    *(json.dumps(value_of(config, setting.name)) for config in configs),
                ]
            )
    return [f"| {' | '.join(cells)} |" for cells in lines]


def with_table(text: str) -> str:
    """The document with its table brought up to date."""
    table = "\n".join(rows())
    return re.sub(r"^\| setting \|.*(\n\|.*)*", lambda _: table, text, count=1, flags=re.MULTILINE)


if __name__ == "__main__":
    DOCUMENT.write_text(with_table(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
