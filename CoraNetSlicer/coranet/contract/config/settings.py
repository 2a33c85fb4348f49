"""Settings that describe and check themselves: meaning, unit, range and the paper's value stand beside each field."""

from __future__ import annotations

import dataclasses
import json
import typing
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from operator import attrgetter
from pathlib import Path
from typing import Any, Optional, TypeVar

from ..errors import ConfigError

SCHEMA_VERSION = 1

SectionT = TypeVar("SectionT", bound="Section")
_KNOWN_HINTS: dict[type, dict[str, Any]] = {}


@dataclass(frozen=True)
class Setting:
    """What a person should know of one setting.

    Attributes:
        name: path of the setting, parts joined by dots.
        meaning: one sentence.
        unit: unit, or "" for a plain number or a word.
        paper: the paper's value in words, or "" where the paper has none.
        minimum, maximum: inclusive range of a number (of each part of a tuple), or None.
        choices: allowed words or numbers, or ().
        default: value for a new user.
    """

    name: str
    meaning: str
    unit: str
    paper: str
    minimum: Optional[float]
    maximum: Optional[float]
    choices: tuple[Any, ...]
    default: Any


def setting(
    default: Any,
    meaning: str,
    *,
    unit: str = "",
    paper: str = "",
    range: tuple[Optional[float], Optional[float]] = (None, None),
    choices: tuple[Any, ...] = (),
) -> Any:
    """A dataclass field that says what it means; see `Setting` for the arguments."""
    metadata = {"meaning": meaning, "unit": unit, "paper": paper, "range": range, "choices": choices}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Section:
    """A group of settings that checks itself when it is made.

    Attributes:
        former_names: names of settings in files of earlier versions -> those that they have now.
    """

    former_names: typing.ClassVar[Mapping[str, str]] = {}

    def __post_init__(self) -> None:
        hints = _hints(type(self))
        for option in dataclasses.fields(self):
            if option.metadata:
                value = _checked(option, hints[option.name], getattr(self, option.name))
                object.__setattr__(self, option.name, value)

    @classmethod
    def from_dict(cls: type[SectionT], content: Mapping[str, Any], source: str | Path = "settings") -> SectionT:
        """Build from plain JSON types; what is not given takes its default.

        Raises:
            ConfigError: a key is unknown, or a value is out of its range; the message names key and source.
        """
        _require_object(f"'{source}'", content)
        values = cls._under_present_names(content)
        version = values.pop("schema_version", SCHEMA_VERSION)
        if version != SCHEMA_VERSION:
            raise ConfigError(
                f"'{source}' has schema version {version!r}, expected {SCHEMA_VERSION}; it was written by "
                "another version of CoraNet: use that one."
            )
        hints = _hints(cls)
        for key, value in values.items():
            if key not in hints:
                raise ConfigError(f"'{source}' has the unknown setting '{key}'; {_correction(key, hints)}")
            if _is_section(hints[key]):
                _require_object(f"'{key}' in '{source}'", value)
                values[key] = hints[key].from_dict(value, source)
        try:
            return cls(**values)
        except ConfigError as error:
            raise ConfigError(f"in '{source}' {error}") from None

    @classmethod
    def unknown_names(cls, content: Any, prefix: str = "") -> list[str]:
        """Paths of the settings in plain JSON types that there are not."""
        hints, names = _hints(cls), []
        for key, value in cls._under_present_names(content).items() if isinstance(content, Mapping) else ():
            if key not in hints:
                names += [] if key == "schema_version" else [f"{prefix}{key}"]
            elif _is_section(hints[key]):
                names += hints[key].unknown_names(value, f"{prefix}{key}.")
        return names

    @classmethod
    def known_part(cls, content: Any) -> Any:
        """Plain JSON types without the settings that there are not: what another version has written can be read."""
        if not isinstance(content, Mapping):
            return content
        hints = _hints(cls)
        present = cls._under_present_names(content)
        known = {key: value for key, value in present.items() if key in hints or key == "schema_version"}
        return {
            key: hints[key].known_part(value) if key in hints and _is_section(hints[key]) else value
            for key, value in known.items()
        }

    @classmethod
    def _under_present_names(cls, content: Mapping[str, Any]) -> dict[str, Any]:
        return {cls.former_names.get(key, key): value for key, value in content.items()}

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types; the inverse of `from_dict`."""
        return {"schema_version": SCHEMA_VERSION, **json.loads(json.dumps(dataclasses.asdict(self)))}

    def value(self, name: str) -> Any:
        """The value of a setting, by its path: "training.learning_rate"."""
        return attrgetter(name)(self)

    def with_overrides(self: SectionT, overrides: Mapping[str, Any]) -> SectionT:
        """A copy with some settings changed.

        Args:
            overrides: setting path -> value; text is read as JSON where it is JSON ("1e-3", "[1, 1, 2]", "null").

        Raises:
            ConfigError: unknown name or value out of range.
        """
        known = [setting.name for setting in self.settings()]
        result = self
        for name, value in overrides.items():
            if name not in known:
                raise ConfigError(f"there is no setting '{name}'; {_correction(name, known)}")
            result = _replaced(result, name.split("."), value)
        return result

    @classmethod
    def settings(cls, prefix: str = "") -> Iterator[Setting]:
        """All settings below this section, in order."""
        hints = _hints(cls)
        for option in dataclasses.fields(cls):
            name = f"{prefix}{option.name}"
            if _is_section(hints[option.name]):
                yield from hints[option.name].settings(f"{name}.")
            elif option.metadata:
                minimum, maximum = option.metadata["range"]
                yield Setting(
                    name, option.metadata["meaning"], option.metadata["unit"], option.metadata["paper"],
                    minimum, maximum, option.metadata["choices"], option.default,
                )  # fmt: skip


def _hints(section: type) -> dict[str, Any]:
    """Types of the fields; found out once, for that takes longer than all checks of a configuration together."""
    if section not in _KNOWN_HINTS:
        _KNOWN_HINTS[section] = typing.get_type_hints(section)
    return _KNOWN_HINTS[section]


def _replaced(section: Any, path: list[str], value: Any) -> Any:
    head, rest = path[0], path[1:]
    if rest:
        value = _replaced(getattr(section, head), rest, value)
    elif isinstance(value, str):
        value = _from_text(value)
    return dataclasses.replace(section, **{head: value})


def _from_text(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _checked(option: dataclasses.Field[Any], hint: Any, value: Any) -> Any:
    """`value` in the type of its field; raises ConfigError with what was expected."""
    arguments = typing.get_args(hint)
    if type(None) in arguments:
        if value is None:
            return None
        hint = next(argument for argument in arguments if argument is not type(None))
    if typing.get_origin(hint) is tuple:
        return _checked_tuple(option, typing.get_args(hint), value)
    return _checked_scalar(option, hint, value)


def _checked_tuple(option: dataclasses.Field[Any], kinds: tuple[Any, ...], value: Any) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple)):
        raise _wrong(option, "a list", value)
    if kinds[-1] is Ellipsis:
        kinds = (kinds[0],) * len(value)
    if len(value) != len(kinds):
        raise _wrong(option, f"{len(kinds)} values", value)
    return tuple(_checked_scalar(option, kind, part) for kind, part in zip(kinds, value, strict=False))


def _checked_scalar(option: dataclasses.Field[Any], kind: type, value: Any) -> Any:
    choices = option.metadata["choices"]
    if not choices:
        return _checked_value(option, kind, value)
    if isinstance(value, bool) or value not in choices:
        raise _wrong(option, f"one of {', '.join(map(str, choices))}", value)
    return kind(value)


def _checked_value(option: dataclasses.Field[Any], kind: type, value: Any) -> Any:
    if kind is str:
        if not isinstance(value, str) or "\0" in value:
            raise _wrong(option, "text", value)
        return value
    if kind is bool:
        if not isinstance(value, bool):
            raise _wrong(option, "true or false", value)
        return value
    if not _is_number(value):
        raise _wrong(option, "a number", value)
    minimum, maximum = option.metadata["range"]
    if kind is int and value != int(value):
        raise _wrong(option, "a whole number", value)
    if (minimum is not None and value < minimum) or (maximum is not None and value > maximum):
        raise _wrong(option, f"a value from {minimum} to {maximum}", value)
    return kind(value)


def _is_number(value: Any) -> bool:
    # A whole number may be larger than any fraction.
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e300


def _require_object(source: str, content: Any) -> None:
    if not isinstance(content, Mapping):
        raise ConfigError(f"{source} must be a JSON object of settings, got {content!r}; correct it.")


def _wrong(option: dataclasses.Field[Any], expected: str, value: Any) -> ConfigError:
    unit = option.metadata["unit"]
    if unit:
        # "1 to 9 mm", but "a whole number (steps)".
        unit = f" {unit}" if expected[-1].isdigit() else f" ({unit})"
    return ConfigError(f"the setting '{option.name}' must be {expected}{unit}, got {value!r}; correct it.")


def _is_section(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, Section)


def _correction(name: str, known: Iterable[str]) -> str:
    close = suggestion(name, known).removeprefix("; ")
    return f"{close} Correct its name." if close else "correct its name."


def suggestion(name: str, known: Iterable[str]) -> str:
    """The end of an error message: '; did you mean ...?', or nothing where no known name is close."""
    close = get_close_matches(name, list(known), n=1)
    return f"; did you mean '{close[0]}'?" if close else ""
