"""The panel off screen: the real form, a real scene, stand-ins of `qt` and `ctk`, and a scripted application."""

from __future__ import annotations

import gc
import logging
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from patience import PATIENCE_S

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import pythonqt
import qt_modules
from PySide6.QtCore import QCoreApplication, QEvent, QSettings, qInstallMessageHandler
from PySide6.QtWidgets import QApplication

# Before the test files are imported: they import the panel, which imports qt.
qt_modules.install()

from fake_application import FakeApplication, is_anything_due  # noqa: E402
from form import child_widget_variables, load_ui, open_everything  # noqa: E402
from messages import complaints, listen  # noqa: E402
from scene_fixtures import a_standalone_scene as a_standalone_scene  # noqa: E402
from scene_fixtures import cases as cases  # noqa: E402
from scene_fixtures import context as context  # noqa: E402
from scene_fixtures import impatient as impatient  # noqa: E402
from scene_fixtures import make_labeled_case as make_labeled_case  # noqa: E402
from scene_fixtures import some_cases as some_cases  # noqa: E402

from CoraNetSlicerLib.core.context import SceneContext  # noqa: E402


class _CaughtErrors(logging.Handler):
    """What a receiver of the panel's own signals raised is logged there; here it fails the test."""

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info:
            pythonqt.slot_errors.append(logging.Formatter().format(record))


@pytest.fixture(scope="session")
def qt_application() -> Iterator[QApplication]:
    """The one application of Qt."""
    qt_modules.install()
    application = QApplication.instance() or QApplication(["CoraNetSlicer tests"])
    application.setStyle("Fusion")
    listen()
    yield application
    qInstallMessageHandler(None)


@pytest.fixture(autouse=True)
def clean_qt(qt_application: QApplication, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Settings of its own for each test; afterwards nothing may have failed in a slot, and no window may be left."""
    QCoreApplication.setOrganizationName("CoraNetSlicerTests")
    QCoreApplication.setApplicationName("CoraNetSlicerTests")
    QSettings.setDefaultFormat(QSettings.Format.IniFormat)
    folder = str(tmp_path_factory.mktemp("settings"))
    QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, folder)
    pythonqt.slot_errors.clear()
    pythonqt.dialogs.clear()
    complaints.clear()
    caught = _CaughtErrors()
    logging.getLogger("CoraNetSlicerLib").addHandler(caught)
    yield
    logging.getLogger("CoraNetSlicerLib").removeHandler(caught)
    errors, messages, left = list(pythonqt.slot_errors), list(complaints), pythonqt.dialogs.left
    for window in QApplication.topLevelWidgets():
        window.close()
        window.deleteLater()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    gc.collect()
    # What is left stays; to go through it again after each test would take longer than the tests.
    gc.freeze()
    assert not errors, "failed in a slot:\n" + "\n".join(errors)
    assert not messages, "Qt complains: " + "; ".join(messages)
    assert not left, f"these windows were foreseen and did not open: {left}"


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home folder: the panel keeps jobs and packages below it."""
    folder = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("USERPROFILE", str(folder))
    return folder


@pytest.fixture
def slot_errors() -> list[str]:
    """Tracebacks of what failed in slots; a test that expects one clears the list."""
    return pythonqt.slot_errors


@pytest.fixture
def dialogs() -> Any:
    """Answers to windows that wait; see pythonqt/dialogs.py."""
    return pythonqt.dialogs


@pytest.fixture
def filled_pages() -> frozenset[str] | None:
    """The names of the pages that the form has; None: all. Tests of one section take its page: it is made faster."""
    return None


@pytest.fixture
def form(qt_application: QApplication, context: SceneContext, filled_pages: frozenset[str] | None) -> Iterator[Any]:
    """The top widget of the real form, shown, on the scene."""
    top = load_ui(pages=filled_pages)
    top.setMRMLScene(context.scene)
    top.resize(440, 800)
    # Laid out as on a screen, but not painted: nobody looks.
    top.setUpdatesEnabled(False)
    top.show()
    yield top
    top.setMRMLScene(None)
    top.hide()


@pytest.fixture
def ui(form: Any) -> Any:
    """The named widgets of a fresh form as attributes; all pages are open."""
    widgets = child_widget_variables(form)
    open_everything(widgets)
    return widgets


@pytest.fixture
def application(qt_application: QApplication, context: SceneContext) -> Iterator[FakeApplication]:
    """What the panel asks the application for."""
    fake = FakeApplication(context.scene)
    yield fake
    fake.close()


@pytest.fixture
def process_events(qt_application: QApplication) -> Callable[..., None]:
    """Let Qt work: `process_events()` what is to be done now, `process_events(until=f, timeout=10)` until f() is true.

    What is to be done now is also what comes of it at once: on a busy machine, Qt calls only some of it in one round.
    """

    def process(until: Callable[[], object] | None = None, timeout: float = PATIENCE_S) -> None:
        end = time.monotonic() + timeout
        QApplication.processEvents()
        while until is None and is_anything_due():
            assert time.monotonic() < end, "there is no end of what is to be done now"
            QApplication.processEvents()
        while until is not None and not until():
            if time.monotonic() > end:
                raise TimeoutError(f"waited {timeout} s in vain; failed in slots: {pythonqt.slot_errors}")
            QApplication.processEvents()
            time.sleep(0.0002)

    return process
