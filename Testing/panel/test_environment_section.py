"""The section Environment, clicked."""

from __future__ import annotations

import sys

import pytest
from clicks import choose, click, entries, greyed, tool_tip
from environment_doubles import ScriptedInstallation, ScriptedProbe, finding, healthy, lacking

from CoraNetSlicerLib.environment.environment import Environment, InterpreterKind
from CoraNetSlicerLib.environment.presenter import EnvironmentPresenter
from CoraNetSlicerLib.environment.probe import Health
from CoraNetSlicerLib.environment.section import EnvironmentSection


@pytest.fixture
def filled_pages():
    return frozenset({"environmentPage"})


@pytest.fixture(autouse=True)
def hasty(monkeypatch) -> None:
    """Programs type and install faster than people and packages."""
    monkeypatch.setattr("CoraNetSlicerLib.environment.presenter._POLL_MS", 20)
    monkeypatch.setattr("CoraNetSlicerLib.environment.section._TYPING_MS", 50)


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
    presenter = EnvironmentPresenter(Environment(application, tmp_path), application, probe, installation)
    section = EnvironmentSection(ui, presenter, application, lambda: opened.append(1))
    yield presenter
    section.cleanup()
    presenter.close()


@pytest.fixture
def check(presenter, probe, process_events):
    """Checks, with an answer, until it is there."""

    def run(health: Health) -> None:
        probe.answers[:] = [health]
        presenter.check()
        process_events(until=lambda: not presenter.is_checking)

    return run


@pytest.fixture
def rows(form, process_events):
    """Reads what stands in the findings: (text, button or None)."""

    def read() -> list[tuple[str, object]]:
        process_events()  # what is added is shown then
        found = []
        number = 0
        while (label := form.findChild("QLabel", f"findingLabel{number}")) is not None:
            found.append((str(label.text), form.findChild("QPushButton", f"fixButton{number}")))
            number += 1
        return found

    return read


def test_a_fresh_section(presenter, ui):
    assert ui.environmentSummaryLabel.text == "Not checked yet."
    assert entries(ui.interpreterCombo) == [text for _, text in presenter.kinds]
    assert not ui.pythonPathEdit.isVisible() and not ui.environmentFolderEdit.isVisible()
    assert not ui.installLogText.isVisible()
    assert not ui.environmentErrorLabel.isVisible() and not ui.openInstallLogButton.isVisible()


def test_what_is_well_is_not_opened(check, ui, rows, opened):
    check(healthy())
    assert opened == [] and ui.environmentStep.text == "Environment"
    assert ui.environmentSummaryLabel.text.startswith("Ready: Python 3.12, PyTorch 2.9 on NVIDIA RTX 4090")
    assert rows() == []


def test_what_is_wrong_opens_it_once(check, ui, opened):
    check(lacking("torch"))
    assert opened == [1] and ui.environmentStep.text == "Environment \u26a0"
    check(lacking("torch"))
    assert opened == [1]
    check(healthy())
    assert ui.environmentStep.text == "Environment"
    check(lacking("monai"))
    assert opened == [1, 1]


def test_checking_again(check, presenter, ui, probe, process_events):
    check(lacking("torch"))
    probe.answers[:] = [healthy()]
    click(ui.checkEnvironmentButton)
    process_events(until=lambda: presenter.reason_not_ready == "")
    assert ui.environmentSummaryLabel.text.startswith("Ready")


@pytest.fixture
def an_installation(presenter, rows, installation, process_events, tmp_path) -> ScriptedInstallation:
    """An environment is being installed: the button of the first start was clicked."""
    presenter.choose("private")
    ((text, button),) = rows()
    assert text.startswith("\u2716 CoraNet needs PyTorch and MONAI.") and button.text == "Install"
    click(button)
    process_events(until=lambda: presenter.is_installing)
    program = tmp_path / "environment" / "bin" / "python"
    program.parent.mkdir(parents=True)
    program.touch()
    return installation


def test_a_finding_is_fixed_by_its_button(an_installation, presenter, ui, rows, probe, process_events):
    assert greyed(ui.interpreterCombo) == greyed(ui.checkEnvironmentButton) == presenter.reason_not_changeable
    assert rows() == []
    an_installation.printed = "Resolved 24 packages\nDownloading torch (2.4GiB)"
    process_events(until=lambda: "2.4GiB" in ui.installLogText.toPlainText())
    an_installation.code, probe.answers[:] = 0, [healthy()]
    process_events(until=lambda: presenter.reason_not_ready == "")
    assert rows() == []
    assert greyed(ui.interpreterCombo) == ""


def test_an_installation_is_stopped(an_installation, presenter, ui, rows, process_events, application):
    presenter.stop_install()  # as the strip does
    process_events(until=lambda: not presenter.is_checking)
    assert an_installation.stopped == 1
    assert rows()[0][0] == "\u2716 The installation was stopped."
    click(ui.openInstallLogButton)
    assert application.shown[-1] == ("open_path", presenter.environment.install_log)


def test_buttons_say_what_they_do(check, rows):
    check(Health(False, {}, (finding("package.broken", "monai"),)))
    assert tool_tip(rows()[0][1]) == "Replaces it by the newest version that fits."


def test_a_warning_looks_like_one(check, rows):
    check(Health(True, {}, (finding("disk.low", "disk", "warning", "only 1 GiB is free."),)))
    ((text, button),) = rows()
    assert text == "\u26a0 Only 1 GiB is free. Fix it." and button is None


def test_wheels_are_asked_for_when_something_is_to_be_installed(check, ui):
    check(lacking("monai"))
    assert ui.wheelsFolderEdit.isVisible()
    check(healthy())
    assert not ui.wheelsFolderEdit.isVisible()


def test_fields_follow_the_choice(presenter, ui):
    choose(ui.interpreterCombo, "Another Python")
    assert ui.pythonPathEdit.isVisible() and not ui.environmentFolderEdit.isVisible()
    assert presenter.kind.value == "other"
    assert ui.environmentSummaryLabel.text.startswith("No Python is chosen")
    choose(ui.interpreterCombo, "Separate environment (recommended)")
    assert ui.environmentFolderEdit.isVisible() and not ui.pythonPathEdit.isVisible()
    assert ui.environmentFolderEdit.currentPath == presenter.environment.folder


WRONG_PATHS = [
    ("other", "pythonPathEdit", "/no/such/python", "There is no file '/no/such/python'"),
    ("other", "pythonPathEdit", "{folder}", "has no Python; choose the python program itself"),
    ("private", "environmentFolderEdit", "here", "is not a full path"),
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


def test_a_python_is_checked_when_it_was_typed_to_its_end(presenter, ui, probe, process_events):
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


def test_the_extension_is_offered_and_slicer_restarted(check, form, application, rows, process_events):
    check(lacking("torch"))
    assert rows()[0][1].text == "Use a separate environment"
    click(form.findChild("QPushButton", "fixButton0_1"))
    process_events(until=lambda: application.restarts == 1)
    assert ("install_extension", "PyTorch") in application.asked


def test_after_cleanup_nothing_is_shown_any_more(ui, application, probe, tmp_path, process_events):
    presenter = EnvironmentPresenter(Environment(application, tmp_path), application, probe)
    section = EnvironmentSection(ui, presenter, application)
    section.cleanup()
    presenter.check()
    process_events(until=lambda: not presenter.is_checking)
    assert ui.environmentSummaryLabel.text == "Not checked yet."
    presenter.close()
