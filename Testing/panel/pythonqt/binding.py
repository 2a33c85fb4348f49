"""Classes of PySide6 as PythonQt shows them: properties are attributes, enum values ints, lists tuples, and so on."""

from __future__ import annotations

import enum
import inspect
import weakref
from typing import Any

from PySide6.QtCore import QObject
from PySide6.QtGui import QFontMetrics, Qt
from PySide6.QtWidgets import QDialog, QMenu
from shiboken6 import Shiboken

from . import dialogs as windows
from .signals import Signal, connect, disconnect, signal_names, signatures
from .values import EnumInt, EnumScope, alive, call, deliver, enum_member, is_qt_enum, record_error

_wrapper_classes: dict[type, type] = {}
_proxies: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()
_ABSENT = {"QColor": {"getRgbF", "getRgb", "getHsv", "getHsvF"}, "QByteArray": {"__len__", "__bytes__"}}


def wrap(value: Any) -> Any:
    """A value of PySide6 as PythonQt gives it."""
    if is_qt_enum(value):
        return EnumInt(value)
    if isinstance(value, Shiboken.Object):
        return proxy_of(value)
    if isinstance(value, (list, tuple)):
        return tuple(wrap(element) for element in value)
    return value


def unwrap(value: Any) -> Any:
    """The way back."""
    if isinstance(value, Instance):
        return value.__dict__["_real"]
    if isinstance(value, WrapperClass):
        return value._cpp
    if isinstance(value, (list, tuple)):
        return [unwrap(element) for element in value]
    return value


def proxy_of(real: Any) -> Any:
    """The stand-in of an object: the same one as long as somebody holds it."""
    shell = getattr(real, "_shell_proxy", None)
    if shell is not None:
        return shell
    key = Shiboken.getCppPointer(real)[0]
    known = _proxies.get(key)
    if known is not None and known.__dict__["_real"] is real:
        return known
    made = object.__new__(wrapper_class(type(real)))
    made.__dict__["_real"] = real
    _proxies[key] = made
    return made


def wrapper_class(cpp_class: type) -> type:
    """The stand-in of a class. As in PythonQt, it does not derive from the stand-in of the base class."""
    if cpp_class not in _wrapper_classes:
        # Not its documentation: PySide6 makes it of all signatures, when somebody asks.
        namespace = {"_cpp": cpp_class, "__module__": "qt"}
        namespace.update(_members(cpp_class))
        _wrapper_classes[cpp_class] = WrapperClass(cpp_class.__name__, (Instance,), namespace)
    return _wrapper_classes[cpp_class]


def _members(cpp_class: type) -> dict[str, Any]:
    members: dict[str, Any] = {}
    meta = getattr(cpp_class, "staticMetaObject", None) if issubclass(cpp_class, QObject) else None
    signals = signal_names(cpp_class) if meta is not None else set()
    for name in dir(cpp_class):
        if name.startswith("__") or name in _ABSENT.get(cpp_class.__name__, ()) or name in vars(Instance):
            continue
        attribute = inspect.getattr_static(cpp_class, name)
        if isinstance(attribute, enum.EnumMeta):
            members[name] = EnumScope(attribute)
        elif name in signals:
            members[name] = SignalMember(name)
        elif callable(getattr(cpp_class, name)):
            members[name] = Method(name, cpp_class)
    members.update(_properties(meta) if meta is not None else {})
    for name in windows.STATIC.get(cpp_class.__name__, ()):
        members[name] = StaticWindow(cpp_class.__name__, name)
    if issubclass(cpp_class, (QDialog, QMenu)):
        members["exec"] = members["exec_"] = Execute(cpp_class)
    return members


def _properties(meta: Any) -> dict[str, Property]:
    names = [meta.property(index).name() for index in range(meta.propertyCount())]
    # The static function of QTimer hides the property of that name.
    return {name: Property(name) for name in names if name != "singleShot"}


def real_of(proxy: Any, what: str) -> Any:
    """The PySide6 object behind a stand-in; it must still exist."""
    real = proxy.__dict__.get("_real")
    if real is None or not alive(real):
        raise ValueError(f"Trying to {what} a destroyed {type(proxy).__name__} object")
    return real


def no_keywords(name: str, keywords: dict[str, Any]) -> None:
    """PythonQt takes none."""
    if keywords:
        raise ValueError(f"Called {name} with keyword arguments, but called slot does not support kwargs.")


class Property:
    """A Qt property: an attribute."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, proxy: Any, owner: type) -> Any:
        if proxy is None:
            return self
        real = real_of(proxy, f"read property '{self._name}' from")
        try:
            return self._read(real)
        except AttributeError as error:  # would be taken for "there is no such attribute"
            raise RuntimeError(str(error)) from error

    def _read(self, real: Any) -> Any:
        getter = getattr(real, self._name, None)
        if getter is None:
            getter = real.property(self._name)
        value = getter() if callable(getter) else getter
        if self._name == "toolTip" and value and not Qt.mightBeRichText(value):
            return Qt.convertFromPlainText(value, Qt.WhiteSpaceMode.WhiteSpaceNormal)
        return wrap(value)

    def __set__(self, proxy: Any, value: Any) -> None:
        real = real_of(proxy, f"write property '{self._name}' of")
        property_ = real.metaObject().property(real.metaObject().indexOfProperty(self._name))
        if not property_.isWritable():
            raise AttributeError(f"Property '{self._name}' of type '{property_.typeName()}' can not be written")
        value = unwrap(value)
        real.setProperty(self._name, int(value) if isinstance(value, EnumInt) else value)


class SignalMember:
    """A signal as an attribute."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, proxy: Any, owner: type) -> Any:
        return self if proxy is None else Signal(real_of(proxy, "connect to"), self._name, wrap, unwrap)

    def __set__(self, proxy: Any, value: Any) -> None:
        raise AttributeError(f"Signal '{self._name}' can not be overwritten on {type(proxy).__name__} object")


class Method:
    """A slot or method."""

    def __init__(self, name: str, cpp_class: type) -> None:
        self._name, self._cpp_class = name, cpp_class

    def __get__(self, proxy: Any, owner: type) -> Any:
        if proxy is None:
            return Call(self._name, getattr(self._cpp_class, self._name))
        real = real_of(proxy, f"call '{self._name}' of")
        overridden = type(real) is not self._cpp_class and self._name in vars(type(real))
        if overridden:  # reached by super(): the method of the C++ class itself
            return Call(self._name, getattr(super(type(real), real), self._name))
        return Call(self._name, getattr(real, self._name))

    def __set__(self, proxy: Any, value: Any) -> None:
        raise AttributeError(f"Slot '{self._name}' can not be overwritten on {type(proxy).__name__} object")


class Call:
    """A method that can be called."""

    def __init__(self, name: str, function: Any) -> None:
        self._name, self._function = name, function

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        no_keywords(self._name, keywords)
        real = tuple(_callback(argument) if self._name == "singleShot" else unwrap(argument) for argument in arguments)
        returned = call(self._name, self._function, real)
        if isinstance(returned, QFontMetrics):
            raise ValueError(f"Called {self._name}() -> QFontMetrics, return type 'QFontMetrics' is ignored: unknown")
        return wrap(returned)


def _callback(value: Any) -> Any:
    return (lambda: deliver(value, ())) if callable(value) else unwrap(value)


class StaticWindow:
    """A static function that opens a window and waits."""

    def __init__(self, class_name: str, name: str) -> None:
        self._name = f"{class_name}.{name}"

    def __get__(self, proxy: Any, owner: type) -> Any:
        return self

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        no_keywords(self._name, keywords)
        return windows.dialogs.take(self._name, arguments)


class Execute:
    """`exec_` of a window."""

    def __init__(self, cpp_class: type) -> None:
        kinds = ("QMessageBox", "QMenu", "QFileDialog", "QInputDialog", "QColorDialog")
        self._class_name = next((base.__name__ for base in cpp_class.__mro__ if base.__name__ in kinds), "QDialog")

    def __get__(self, proxy: Any, owner: type) -> Any:
        return lambda *_given: windows.execute(self._class_name, proxy)


class WrapperClass(type):
    """Class attributes that are looked up late: enum values."""

    def __getattr__(cls, name: str) -> Any:
        cpp_class = cls.__dict__.get("_cpp") or next(
            (base.__dict__["_cpp"] for base in cls.__mro__ if "_cpp" in base.__dict__), None
        )
        value = enum_member(cpp_class, name) if cpp_class is not None and not name.startswith("_") else None
        if value is None:
            raise AttributeError(f"type object '{cls.__name__}' has no attribute '{name}'")
        return value


class Instance(metaclass=WrapperClass):
    """A stand-in of an object of Qt."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        no_keywords(type(self).__name__, keywords)
        real_class = _shell_class(type(self)) if _is_derived(type(self)) else type(self)._cpp
        real = call(type(self).__name__, real_class, tuple(unwrap(argument) for argument in arguments))
        self.__dict__["_real"] = real
        if _is_derived(type(self)):
            real._shell_proxy = self
        else:
            _proxies[Shiboken.getCppPointer(real)[0]] = self

    def connect(self, signature: str, receiver: Any) -> bool:
        """Connect to a signal that is named by its C++ signature; False if there is none."""
        real = real_of(self, "connect to")
        for name, known, count in signatures(real):
            if known == signature.replace(" ", ""):
                return connect(real, name, count, receiver, wrap)
        return False

    def disconnect(self, signature: str, receiver: Any = None) -> bool:
        """Undo `connect`; False if there was nothing to undo."""
        real = real_of(self, "disconnect from")
        for name, known, count in signatures(real):
            if known == signature.replace(" ", ""):
                return disconnect(real, name, receiver, count)
        return False

    def className(self) -> str:  # noqa: N802
        """Name of the C++ class."""
        return type(self)._cpp.__name__

    def delete(self) -> None:
        """Destroy the C++ object now."""
        Shiboken.delete(real_of(self, "delete"))

    def findChild(self, kind: Any, name: str = "") -> Any:  # noqa: N802
        """The first child of a class and name."""
        children = self.findChildren(kind, name)
        return children[0] if children else None

    def findChildren(self, kind: Any, name: str = "") -> tuple[Any, ...]:  # noqa: N802
        """All children of a class (also named as a text) and name."""
        real = real_of(self, "search in")
        cpp_class = QObject if isinstance(kind, str) else kind._cpp
        found = real.findChildren(cpp_class, name) if name else real.findChildren(cpp_class)
        return tuple(wrap(child) for child in found if not isinstance(kind, str) or child.inherits(kind))

    def __getattr__(self, name: str) -> Any:
        real = self.__dict__.get("_real")
        if isinstance(real, QObject) and alive(real) and name in _dynamic_names(real):
            return wrap(real.property(name))
        value = enum_member(type(self)._cpp, name) if not name.startswith("_") else None
        if value is None:
            raise AttributeError(f"{type(self).__name__} has no attribute named '{name}'")
        return value

    def __setattr__(self, name: str, value: Any) -> None:
        member = inspect.getattr_static(type(self), name, None)
        if hasattr(type(member), "__set__") or _is_derived(type(self)):
            object.__setattr__(self, name, value)
        elif name in _dynamic_names(real_of(self, f"write '{name}' of")):
            self.__dict__["_real"].setProperty(name, unwrap(value))
        elif hasattr(type(self), name):
            raise AttributeError(f"Slot '{name}' can not be overwritten on {type(self).__name__} object")
        else:
            raise AttributeError(
                f"'{name}' does not exist on {type(self).__name__} "
                "and creating new attributes on C++ objects is not allowed"
            )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Instance):
            return False
        own, others = self.__dict__.get("_real"), other.__dict__.get("_real")
        return bool(own is others or (type(own) is type(others) and own == others))

    def __hash__(self) -> int:
        return hash(Shiboken.getCppPointer(self.__dict__["_real"]))

    def __str__(self) -> str:
        real = self.__dict__.get("_real")
        return str(real.data()) if type(real).__name__ == "QByteArray" else object.__repr__(self)


def _dynamic_names(real: Any) -> set[str]:
    if not isinstance(real, QObject):
        return set()
    return {bytes(name.data()).decode() for name in real.dynamicPropertyNames()}


def _is_derived(cls: type) -> bool:
    return "_cpp" not in cls.__dict__


_shell_classes: dict[type, type] = {}


def _shell_class(python_class: type) -> type:
    """A PySide6 class whose virtual methods call those of a class that was derived in Python."""
    if python_class not in _shell_classes:
        cpp_class = python_class._cpp
        own = [base for base in python_class.__mro__ if isinstance(base, WrapperClass) and _is_derived(base)]
        names = {name for base in own if base is not Instance for name in vars(base) if hasattr(cpp_class, name)}
        overrides = {name: _override(name, cpp_class) for name in names if not name.startswith("__")}
        _shell_classes[python_class] = type(python_class.__name__, (cpp_class,), overrides)
    return _shell_classes[python_class]


def _override(name: str, cpp_class: type) -> Any:
    def method(real: Any, *given: Any) -> Any:
        proxy = getattr(real, "_shell_proxy", None)
        if proxy is None:  # while it is being made
            return getattr(cpp_class, name)(real, *given)
        try:
            result = unwrap(getattr(proxy, name)(*(wrap(argument) for argument in given)))
        except Exception:  # noqa: BLE001 - as in a slot
            record_error()
            return getattr(cpp_class, name)(real, *given)
        return bool(result) if name in ("event", "eventFilter") else result

    return method
