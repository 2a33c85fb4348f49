"""Presets: configurations under a name, one JSON file each in Resources/Presets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import ConfigError
from ..resources import resource_path
from .json_text import JsonError, read_json_file
from .settings import suggestion

DEFAULT_PRESET = "default"


def preset_names() -> list[str]:
    """Names of the presets that come with the program, in alphabetical order."""
    return sorted(path.stem for path in resource_path("Presets").glob("*.json"))


def preset_path(name: str) -> Path:
    """The file of a preset.

    Raises:
        ConfigError: there is no preset of that name and no such file.
    """
    for path in (resource_path("Presets") / f"{name}.json", Path(name)):
        if path.is_file():
            return path
    raise ConfigError(
        f"there is no preset '{name}'{suggestion(name, preset_names())}; presets: {', '.join(preset_names())}."
    )


def read_preset(path: Path) -> dict[str, Any]:
    """The content of a preset file: settings by section, and a description for people."""
    try:
        content = read_json_file(path)
    except JsonError as error:
        raise ConfigError(f"the preset '{path}' cannot be read as JSON: {error}.") from None
    except OSError as error:
        raise ConfigError(
            f"the preset '{path}' cannot be read ({error.strerror or error}); check that you may read it."
        ) from error
    if not isinstance(content, dict):
        raise ConfigError(
            f"the preset '{path}' must hold a JSON object of settings by section, got {type(content).__name__}; "
            "correct it."
        )
    return content
