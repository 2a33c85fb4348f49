"""What crosses the border between PySide6 and the stand-ins: enum values, objects, lists, and what went wrong."""

from __future__ import annotations

import enum
import inspect
import traceback
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

from PySide6.support.signature import get_signature
from shiboken6 import Shiboken

# What was raised in slots and overrides: as in the application, it does not stop the program. Tests look here.
slot_errors: list[str] = []


def record_error() -> None:
    """Remember the exception that is being handled."""
    slot_errors.append(traceback.format_exc())


class EnumInt(int):
    """A value of a Qt enum: a plain int to whoever reads it; what it means is remembered for the way back to Qt."""

    kind: Any

    def __new__(cls, member: Any) -> EnumInt:
        value = member.value if isinstance(member, enum.Enum) else int(member)
        made = super().__new__(cls, value)
        made.kind = type(member)
        return made

    def member(self) -> Any:
        """The value as PySide6 has it."""
        return self.kind(int(self))

    def _like(self, value: int) -> int:
        return EnumInt(self.kind(value)) if issubclass(self.kind, enum.Flag) else value

    def __or__(self, other: int) -> int:
        return self._like(int(self) | int(other))

    def __and__(self, other: int) -> int:
        return self._like(int(self) & int(other))

    def __xor__(self, other: int) -> int:
        return self._like(int(self) ^ int(other))

    __ror__, __rand__, __rxor__ = __or__, __and__, __xor__


class EnumScope:
    """An enum class: callable, but without members, as in Slicer 5.8 (`QMessageBox.StandardButton.Yes` fails)."""

    def __init__(self, kind: type) -> None:
        self._kind = kind

    def __call__(self, value: int = 0) -> int:
        return EnumInt(self._kind(int(value)))

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"type object '{self._kind.__name__}' has no attribute '{name}'")


def is_qt_enum(value: Any) -> bool:
    """Whether it is a member of one of Qt's enums, not of Python's own."""
    return isinstance(value, enum.Enum) and type(value).__module__.startswith("PySide6")


@cache
def enum_member(cpp_class: type, name: str) -> Any:
    """The enum value of that name in a class or its bases; None if there is none."""
    for base in cpp_class.__mro__:
        for kind in vars(base).values():
            if isinstance(kind, enum.EnumMeta) and name in kind.__members__:
                return EnumInt(kind.__members__[name])
    return None


def arguments(receiver: Callable[..., Any], sent: tuple[Any, ...]) -> tuple[Any, ...]:
    """Of what a signal sends, as much as a function takes; anything that is no function gets all."""
    function = getattr(receiver, "__func__", receiver)
    code = getattr(function, "__code__", None)
    if code is None or code.co_flags & inspect.CO_VARARGS:
        return sent
    return sent[: code.co_argcount - (1 if inspect.ismethod(receiver) else 0)]


def deliver(receiver: Callable[..., Any], sent: Iterable[Any]) -> None:
    """Call a receiver of a signal."""
    try:
        receiver(*arguments(receiver, tuple(sent)))
    except Exception:  # noqa: BLE001 - the application goes on too
        record_error()


def call(name: str, function: Callable[..., Any], given: tuple[Any, ...]) -> Any:
    """Call a function of PySide6; plain ints are taken for enum values where it wants those."""
    failure: Exception = ValueError("no way to call it")
    for candidate in _candidates(function, given):
        try:
            return function(*candidate)
        except TypeError as error:
            failure = error
    listed = ", ".join(repr(argument) for argument in given)
    raise ValueError(f"Could not find matching overload for given arguments: ({listed}) of {name}: {failure}")


def _candidates(function: Callable[..., Any], given: tuple[Any, ...]) -> Iterable[tuple[Any, ...]]:
    yield tuple(argument.member() if isinstance(argument, EnumInt) else argument for argument in given)
    signatures = get_signature(function) or []
    for signature in signatures if isinstance(signatures, list) else [signatures]:
        kinds = [parameter.annotation for name, parameter in signature.parameters.items() if name != "self"]
        if len(kinds) >= len(given):
            yield tuple(_cast(argument, kind) for argument, kind in zip(given, kinds, strict=False))


def _cast(value: Any, kind: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        if isinstance(kind, enum.EnumMeta):
            return kind(int(value))
        return int(value)
    return value


def alive(real: Any) -> bool:
    """Whether the C++ object behind it still exists."""
    return bool(Shiboken.isValid(real))
