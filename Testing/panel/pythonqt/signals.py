"""Signals as PythonQt has them: default arguments are sent, receivers are kept alive, wrong signatures are False."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QMetaMethod, QMetaObject, QObject
from shiboken6 import Shiboken

from .values import deliver

# C++ address of the sender -> its connections.
_connections: dict[int, list[tuple[str, int, Callable[..., Any], Callable[..., Any]]]] = {}

# Signals of which Qt 5 has an overload that comes first: (class, signal) -> number of its arguments.
_FIRST_OVERLOAD = {("QProcess", "finished"): 1}

# Class in Python and in C++ -> what `signatures` says of it.
_signatures: dict[tuple[type, str], list[tuple[str, str, int]]] = {}


def signatures(real: QObject) -> list[tuple[str, str, int]]:
    """Name, normalized signature and number of arguments of each signal, as the meta object orders them."""
    meta = real.metaObject()
    key = type(real), meta.className()
    if key not in _signatures:
        _signatures[key] = _signatures_of(type(real), meta)
    return _signatures[key]


def _signatures_of(real_class: type, meta: QMetaObject) -> list[tuple[str, str, int]]:
    methods = [meta.method(index) for index in range(meta.methodCount())]
    found = [
        (bytes(method.name().data()).decode(), bytes(method.methodSignature().data()).decode(), method.parameterCount())
        for method in methods
        if method.methodType() == QMetaMethod.MethodType.Signal
    ]
    # Signals of stand-ins carry Python objects; their C++ names are told by the class.
    aliases = getattr(real_class, "SIGNATURES", {})
    return [(name, aliases.get(signature, signature), count) for name, signature, count in found]


def signal_names(real_class: type) -> set[str]:
    """The names of all signals of a class."""
    meta = real_class.staticMetaObject
    methods = (meta.method(index) for index in range(meta.methodCount()))
    return {
        bytes(method.name().data()).decode()
        for method in methods
        if method.methodType() == QMetaMethod.MethodType.Signal
    }


def connect(real: QObject, name: str, count: int, receiver: Callable[..., Any], wrap: Callable[[Any], Any]) -> bool:
    """Connect a receiver to a signal of which `count` arguments are sent."""

    def send(*sent: Any) -> None:
        deliver(receiver, (wrap(value) for value in sent))

    # PySide6 sends as many arguments as a function names.
    relay = (
        lambda: send(),
        lambda a: send(a),
        lambda a, b: send(a, b),
        lambda a, b, c: send(a, b, c),
        lambda a, b, c, d: send(a, b, c, d),
    )[count]
    getattr(real, name).connect(relay)
    key = Shiboken.getCppPointer(real)[0]
    if key not in _connections:
        _connections[key] = []
        real.destroyed.connect(lambda: _connections.pop(key, None))
    _connections[key].append((name, count, receiver, relay))
    return True


def disconnect(real: QObject, name: str, receiver: Callable[..., Any] | None, count: int | None = None) -> bool:
    """Disconnect one receiver, or all; False if there was none."""
    known = _connections.get(Shiboken.getCppPointer(real)[0], [])
    for entry in list(known):
        if entry[0] == name and receiver in (None, entry[2]) and count in (None, entry[1]):
            getattr(real, name).disconnect(entry[3])
            known.remove(entry)
            if receiver is not None:
                return True
    return receiver is None


class Signal:
    """A signal of an object; calling it emits it."""

    def __init__(self, real: QObject, name: str, wrap: Callable[[Any], Any], unwrap: Callable[[Any], Any]) -> None:
        self._real, self._name, self._wrap, self._unwrap = real, name, wrap, unwrap

    def connect(self, receiver: Callable[..., Any]) -> bool:
        """Connect; the arguments are those of the first overload, defaults included."""
        if not callable(receiver):
            raise ValueError(f"'{receiver!r}' is not callable")
        class_names = [base.__name__ for base in type(self._real).__mro__]
        counts = [_FIRST_OVERLOAD.get((name, self._name)) for name in class_names]
        count = next((count for count in counts if count is not None), None)
        if count is None:
            count = next(count for name, _, count in signatures(self._real) if name == self._name)
        return connect(self._real, self._name, count, receiver, self._wrap)

    def disconnect(self, receiver: Callable[..., Any] | None = None) -> bool:
        """Disconnect; False if it was not connected."""
        return disconnect(self._real, self._name, receiver)

    def emit(self, *values: Any) -> None:
        """Send it."""
        sent = tuple(self._unwrap(value) for value in values)
        signal = getattr(self._real, self._name)
        try:
            signal.emit(*sent)
        except TypeError:  # PySide6 takes the overload without default arguments
            signal[tuple(type(value) for value in sent)].emit(*sent)

    __call__ = emit
