"""The section Environment, clicked."""

from __future__ import annotations

import sys

import pytest
from clicks import choose, click, entries, greyed, tool_tip
from environment_doubles import ScriptedInstallation, ScriptedProbe, an_extension, finding, healthy, lacking

from CoraNetSlicerLib.environment.environment import Environment, InterpreterKind
from CoraNetSlicerLib.environment.presenter import EnvironmentPresenter
from CoraNetSlicerLib.environment.probe import Health
from CoraNetSlicerLib.environment.section import EnvironmentSection


@pytest.fixture
def probe() -> ScriptedProbe:
    return ScriptedProbe(healthy())


@pytest.fixture
def installation() -> ScriptedInstallation:
    return ScriptedInstallation()


@pytest.fixture
def opened() -> list[int]:
    """Once for each time that the section asked to be shown."""
    return []


@pytest.fixture
def presenter(ui, application, probe, installation, tmp_path, opened):
    """With its section."""
    application.extension = an_extension
    presenter = EnvironmentPresenter(Environment(application, tmp_path), application, probe, installation)
    section = EnvironmentSection(ui, presenter, application, lambda: opened.append(1))
    yield presenter
    section.cleanup()
    presenter.close()


@pytest.fixture
def examine(presenter, probe, process_events):
    """Examines, with an answer, until it is there."""

    def run(health: Health) -> None:
        probe.answers[:] = [health]
        presenter.examine()
        process_events(until=lambda: not presenter.is_examining)

    return run


@pytest.fixture
def rows(form, process_events):
    """Reads what stands in the findings: (text, button or None)."""

    def read() -> list[tuple[str, object]]:
        process_events()  # what is added is shown then
        found = []
        number = 0
        while (label := form.findChild("QLabel", f"findingLabel{number}")) is not None:
            found.append((str(label.text), form.findChild("QPushButton", f"mendButton{number}")))
            number += 1
        return found

    return read


def test_a_fresh_section(presenter, ui):
    assert ui.environmentSummaryLabel.text == "Not examined yet."
    assert entries(ui.interpreterCombo) == [text for _, text in presenter.kinds]
    assert not ui.pythonPathEdit.isVisible() and not ui.privateFolderEdit.isVisible()
    assert not ui.stopInstallButton.isVisible() and not ui.installLogText.isVisible()
    assert not ui.environmentErrorLabel.isVisible() and not ui.openInstallLogButton.isVisible()


def test_what_is_well_is_not_opened(examine, ui, rows, opened):
    examine(healthy())
    assert opened == [] and ui.environmentStep.text == "Environment"
    assert ui.environmentSummaryLabel.text.startswith("Ready: Python 3.12, PyTorch 2.9 on NVIDIA RTX 4090")
    assert rows() == []


def test_what_is_wrong_opens_it_once(examine, ui, opened):
    examine(lacking("torch"))
    assert opened == [1] and ui.environmentStep.text == "Environment \u26a0"
    examine(lacking("torch"))
    assert opened == [1]
    examine(healthy())
    assert ui.environmentStep.text == "Environment"
    examine(lacking("monai"))
    assert opened == [1, 1]


def test_examining_again(examine, presenter, ui, probe, process_events):
    examine(lacking("torch"))
    probe.answers[:] = [healthy()]
    click(ui.examineButton)
    process_events(until=lambda: presenter.reason_not_ready == "")
    assert ui.environmentSummaryLabel.text.startswith("Ready")


@pytest.fixture
def an_installation(examine, presenter, rows, installation, process_events) -> ScriptedInstallation:
    """PyTorch and MONAI are being installed: the button was clicked."""
    examine(lacking("torch", "monai"))
    ((text, button),) = rows()
    assert text == "\u2716 PyTorch and MONAI are missing."
    assert button.text == "Install PyTorch and MONAI"
    click(button)
    process_events(until=lambda: presenter.is_installing)
    return installation


def test_a_finding_is_mended_by_its_button(an_installation, presenter, ui, rows, probe, process_events):
    assert greyed(ui.interpreterCombo) == greyed(ui.examineButton) == presenter.reason_not_changeable
    assert greyed(rows()[0][1]) == presenter.reason_not_changeable
    an_installation.said = "Collecting torch\n  1.00 of 3.00 GiB downloaded"
    process_events(until=lambda: "1.00 of 3.00" in ui.installLogText.toPlainText())
    an_installation.code, probe.answers[:] = 0, [healthy()]
    process_events(until=lambda: presenter.reason_not_ready == "")
    assert rows() == [] and not ui.stopInstallButton.isVisible()
    assert greyed(ui.interpreterCombo) == ""


def test_an_installation_is_stopped(an_installation, presenter, ui, rows, process_events, application):
    click(ui.stopInstallButton)
    process_events(until=lambda: not presenter.is_examining)
    assert an_installation.stopped == 1
    assert rows()[0][0] == "\u2716 The installation was stopped."
    click(ui.openInstallLogButton)
    assert application.shown[-1] == ("open_file", presenter.install_log_path)


def test_buttons_say_what_they_do(examine, rows):
    examine(Health(False, {}, (finding("package.broken", "torch"),)))
    assert tool_tip(rows()[0][1]) == "Removes what is left of it, and installs it anew."


def test_a_warning_looks_like_one(examine, rows):
    examine(Health(True, {}, (finding("disk.low", "disk", "warning", "only 1 GiB is free."),)))
    ((text, button),) = rows()
    assert text == "\u26a0 Only 1 GiB is free. Mend it." and button is None


def test_wheels_are_asked_for_when_something_is_to_be_installed(examine, ui):
    examine(lacking("torch"))
    assert ui.wheelsFolderEdit.isVisible()
    examine(healthy())
    assert not ui.wheelsFolderEdit.isVisible()


def test_fields_follow_the_choice(presenter, ui):
    choose(ui.interpreterCombo, "Another Python")
    assert ui.pythonPathEdit.isVisible() and not ui.privateFolderEdit.isVisible()
    assert presenter.kind.value == "other"
    assert ui.environmentSummaryLabel.text.startswith("No Python is chosen")
    choose(ui.interpreterCombo, "Slicer's Python, packages in a private folder")
    assert ui.privateFolderEdit.isVisible() and not ui.pythonPathEdit.isVisible()
    assert ui.privateFolderEdit.currentPath == presenter.private_folder


WRONG_PATHS = [
    ("other", "pythonPathEdit", "/no/such/python", "There is no file '/no/such/python'"),
    ("other", "pythonPathEdit", "{folder}", "has no Python; choose the python program itself"),
    ("private", "privateFolderEdit", "here", "is no whole path"),
    ("slicer", "wheelsFolderEdit", "/no/such/folder", "There is no folder '/no/such/folder'"),
    ("slicer", "wheelsFolderEdit", "{folder}", "has no wheel file"),
]


@pytest.mark.parametrize("wrong", WRONG_PATHS, ids=lambda wrong: wrong[3])
def test_a_wrong_path_is_said_beside_its_field(presenter, ui, tmp_path, process_events, wrong):
    kind, field, path, sentence = wrong
    presenter.choose(kind)
    edit, label = getattr(ui, field), ui.environmentErrorLabel
    edit.setCurrentPath(path.format(folder=tmp_path))
    process_events(until=label.isVisible)
    assert sentence in label.text
    assert edit.currentPath == path.format(folder=tmp_path), "what was typed stays, to be corrected"
    edit.setCurrentPath("")
    process_events(until=lambda: not label.isVisible())


def test_a_python_is_examined_when_it_was_typed_to_its_end(presenter, ui, probe, process_events):
    choose(ui.interpreterCombo, "Another Python")
    before = len(probe.asked)
    for length in range(len(sys.executable) - 3, len(sys.executable) + 1):
        ui.pythonPathEdit.setCurrentPath(sys.executable[:length])
    process_events(until=lambda: presenter.reason_not_ready == "")
    assert presenter.interpreter.executable == sys.executable
    assert len(probe.asked) == before + 1


def test_the_choice_is_there_in_the_next_session(ui, application, probe, tmp_path):
    before = Environment(application, tmp_path)
    before.choose(InterpreterKind.OTHER)
    before.set_python(sys.executable)
    presenter = EnvironmentPresenter(Environment(application, tmp_path), application, probe)
    section = EnvironmentSection(ui, presenter, application)
    assert ui.interpreterCombo.currentText == "Another Python"
    assert ui.pythonPathEdit.currentPath == sys.executable and ui.pythonPathEdit.isVisible()
    section.cleanup()
    presenter.close()


def test_the_extension_is_offered_and_slicer_restarted(examine, presenter, application, rows, process_events):
    application.extension = None
    examine(lacking("torch"))
    click(rows()[0][1])
    process_events(until=lambda: application.restarts == 1)
    assert ("install_extension", "PyTorch") in application.asked


def test_after_cleanup_nothing_is_shown_any_more(ui, application, probe, tmp_path, process_events):
    presenter = EnvironmentPresenter(Environment(application, tmp_path), application, probe)
    section = EnvironmentSection(ui, presenter, application)
    section.cleanup()
    presenter.examine()
    process_events(until=lambda: not presenter.is_examining)
    assert ui.environmentSummaryLabel.text == "Not examined yet."
    presenter.close()
