"""Windows that wait for a person: in tests they are answered by a script, and one that was not foreseen is an error."""

from __future__ import annotations

from typing import Any

STATIC = {
    "QFileDialog": ("getOpenFileName", "getOpenFileNames", "getSaveFileName", "getExistingDirectory"),
    "QInputDialog": ("getText", "getItem", "getInt", "getDouble", "getMultiLineText"),
    "QColorDialog": ("getColor",),
    "QMessageBox": ("question", "information", "warning", "critical", "about"),
}  # fmt: skip


class Dialogs:
    """What will be answered, and what was asked."""

    def __init__(self) -> None:
        self._answers: dict[str, list[Any]] = {}
        self.asked: list[tuple[str, tuple[Any, ...]]] = []

    def answer(self, name: str, answer: Any) -> None:
        """Answer the next window of a name.

        Args:
            name: "QFileDialog.getExistingDirectory", "QMessageBox.exec_", "QMenu.exec_", ...
            answer: what comes back. Of `exec_`: the text of the button or action that is clicked, a number, or a
                function that gets the dialog and returns one of these.
        """
        self._answers.setdefault(name, []).append(answer)

    def clear(self) -> None:
        """Forget all."""
        self._answers.clear()
        self.asked.clear()

    @property
    def left(self) -> list[str]:
        """The windows for which an answer was left over."""
        return [name for name, answers in self._answers.items() if answers]

    def take(self, name: str, arguments: tuple[Any, ...]) -> Any:
        """The answer to a window that opens now."""
        self.asked.append((name, arguments))
        if not self._answers.get(name):
            raise AssertionError(f"{name} opened and the test has no answer to it: {arguments}")
        return self._answers[name].pop(0)


dialogs = Dialogs()


def execute(class_name: str, dialog: Any) -> Any:
    """`exec_` of a dialog or menu."""
    answer = dialogs.take(f"{class_name}.exec_", (dialog,))
    if callable(answer):
        answer = answer(dialog)
    if not isinstance(answer, str):
        return answer
    choices = dialog.actions() if class_name == "QMenu" else dialog.buttons()
    for choice in choices:
        if str(choice.text).replace("&", "") == answer:
            if class_name == "QMenu":
                choice.trigger()
                return choice
            choice.click()
            return dialog.result()
    raise AssertionError(f"{class_name} has no '{answer}', only {[str(choice.text) for choice in choices]}")
