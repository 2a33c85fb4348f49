"""Widgets as PythonQt shows them: properties are attributes, calling them is an error, unknown attributes too."""

from __future__ import annotations


class Signal:
    def __init__(self) -> None:
        self.receivers: list = []

    def connect(self, receiver) -> None:
        self.receivers.append(receiver)

    def disconnect(self, receiver) -> None:
        self.receivers.remove(receiver)

    def send(self, *arguments) -> None:
        for receiver in list(self.receivers):
            receiver(*arguments)


class Widget:
    __slots__ = ("clicked", "currentPath", "currentPathChanged", "enabled", "maximum", "plainText", "text", "value")

    def __init__(self) -> None:
        self.clicked, self.currentPathChanged = Signal(), Signal()
        self.currentPath = self.text = self.plainText = ""
        self.enabled, self.value, self.maximum = True, 0, 100

    def setEnabled(self, enabled: bool) -> None:  # noqa: N802
        self.enabled = enabled

    def setText(self, text: str) -> None:  # noqa: N802
        self.text = text

    def setPlainText(self, text: str) -> None:  # noqa: N802
        self.plainText = text

    def setRange(self, _minimum: int, maximum: int) -> None:  # noqa: N802
        self.maximum = maximum

    def setValue(self, value: int) -> None:  # noqa: N802
        if not isinstance(value, int):
            raise TypeError(f"setValue takes an int, got {value!r}")
        self.value = value

    def click(self) -> None:
        if self.enabled:
            self.clicked.send()


class Ui:
    """Has exactly the named widgets of a .ui file."""

    def __init__(self, names) -> None:
        for name in names:
            setattr(self, name, Widget())
