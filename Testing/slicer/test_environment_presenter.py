"""What the section Environment shows and does, with a scripted doctor and installation."""

from __future__ import annotations

import shutil
import time
from functools import partial
from types import SimpleNamespace

import pytest
from environment_doubles import (
    PlainApplication,
    ScriptedInstallation,
    ScriptedProbe,
    finding,
    healthy,
    lacking,
)
from patience import PATIENCE_S

from coranet.contract.errors import ConfigError
from CoraNetSlicerLib.environment.environment import InterpreterKind
from CoraNetSlicerLib.environment.interpreter import BackgroundProcess
from CoraNetSlicerLib.environment.presenter import EnvironmentPresenter
from CoraNetSlicerLib.environment.probe import Health, Probe


@pytest.fixture
def application() -> PlainApplication:
    application = PlainApplication()
    application.settings["Interpreter/Kind"] = "slicer"
    return application


@pytest.fixture
def probe() -> ScriptedProbe:
    return ScriptedProbe(None, healthy())


@pytest.fixture
def installation() -> ScriptedInstallation:
    return ScriptedInstallation()


@pytest.fixture
def presenter(application, probe, installation, tmp_path) -> EnvironmentPresenter:
    return EnvironmentPresenter(application.environment(tmp_path), application, probe, installation)


def checked(presenter, application, probe, *answers) -> EnvironmentPresenter:
    probe.answers[:] = list(answers)
    presenter.check()
    application.work()
    return presenter


def labels(presenter) -> list[list[str]]:
    return [[fix.label for fix in row.fixes] for row in presenter.findings]


def test_nothing_is_started_before_it_is_asked_for(presenter, probe):
    assert presenter.summary == "Not checked yet."
    assert presenter.reason_not_ready and presenter.interpreter is None
    assert not probe.asked


def test_what_is_well_is_ready(presenter, application):
    changes = []
    presenter.changed.connect(lambda: changes.append(presenter.summary))
    presenter.check()
    assert "being checked" in presenter.reason_not_ready
    application.work()
    application.work()
    assert presenter.reason_not_ready == "" and presenter.interpreter is not None
    assert changes == [
        "Checking the environment...",
        "Ready: Python 3.12, PyTorch 2.9 on NVIDIA RTX 4090, 22 of 24 GiB free.",
    ]
    assert not presenter.has_error and presenter.findings == []


def test_polling_ends_with_the_answer(presenter, application):
    presenter.check()
    for _ in range(3):
        application.work()
    assert application._waiting == []


def test_the_processor_has_no_memory_of_its_own(presenter, application, probe):
    checked(presenter, application, probe, healthy(device="CPU (8 threads)", device_kind="cpu", device_gib=None))
    assert presenter.summary.endswith("on CPU (8 threads).")


# -- an environment of our own


@pytest.fixture
def first_start(presenter, application) -> EnvironmentPresenter:
    """Nothing was chosen and nothing is there."""
    presenter.choose("private")
    application.work()
    return presenter


def test_the_first_start_has_one_button(first_start, probe):
    assert first_start.summary == "Not installed yet." and not probe.asked
    (row,) = first_start.findings
    assert "GiB of disk space" in row.text and [fix.label for fix in row.fixes] == ["Install"]
    assert first_start.has_error and first_start.can_install and first_start.interpreter is None
    assert first_start.reason_not_ready == "Not installed yet. See Environment."


def test_it_is_installed_and_then_checked(first_start, application, probe, installation, tmp_path):
    first_start.fix("install")
    (request,) = installation.requests
    assert request == ["install", f"--environment={tmp_path / 'environment'}"]
    assert installation.interpreters[0].executable == application.python_slicer()
    assert first_start.is_installing and not first_start.has_error
    assert "being installed" in first_start.reason_not_ready and "stop it" in first_start.reason_not_changeable
    installation.printed = "Downloading torch (2.4GiB)\n"
    application.work()
    assert first_start.install_log == "Downloading torch (2.4GiB)"
    program = tmp_path / "environment" / "bin" / "python"
    program.parent.mkdir(parents=True)
    program.touch()
    installation.code, probe.answers[:] = 0, [healthy()]
    application.work()
    assert not first_start.is_installing and first_start.is_checking
    application.work()
    assert first_start.reason_not_ready == "" and first_start.findings == []
    assert first_start.interpreter.executable == str(program)


def test_an_installation_that_fails_says_why(first_start, application, installation):
    first_start.fix("install")
    installation.code = 8
    application.work()
    assert len(first_start.findings) == 2 and "needs PyTorch and MONAI" in first_start.findings[1].text
    assert first_start.summary == "Not installed." and "see the log. ($ uv pip install)" in first_start.findings[0].text
    assert labels(first_start) == [[], ["Install"]]


def test_an_installation_can_be_stopped(first_start, installation):
    first_start.fix("install")
    assert first_start.reason_not_stoppable == ""
    first_start.stop_install()
    assert installation.stopped == 1 and not first_start.is_installing
    assert first_start.findings[0].text == "The installation was stopped."
    first_start.stop_install()
    assert installation.stopped == 1


@pytest.mark.parametrize(
    "wrong", [lacking("torch"), Health(False, {}, (finding("package.broken", "numpy"),)), Health.unknown("no answer")]
)
def test_whatever_is_wrong_in_it_is_repaired(presenter, application, probe, installation, tmp_path, wrong):
    program = tmp_path / "environment" / "bin" / "python"
    program.parent.mkdir(parents=True)
    program.touch()
    presenter.choose("private")
    checked(presenter, application, probe, wrong)
    assert labels(presenter) == [["Repair"]]
    presenter.fix("anew")
    assert installation.requests == [["install", f"--environment={tmp_path / 'environment'}", "--anew"]]


def test_it_is_installed_from_wheels(first_start, installation, tmp_path):
    (tmp_path / "torch-2.9.1-cp312-cp312-linux_x86_64.whl").touch()
    first_start.set_wheels_folder(str(tmp_path))
    first_start.fix("install")
    assert f"--wheels={tmp_path}" in installation.requests[0]


def test_what_cannot_succeed_is_not_begun(first_start, installation, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=2**30))
    first_start.fix("install")
    assert not installation.requests and "Only 1.0 GiB are free" in first_start.findings[0].text


# -- while something is installed


def test_while_packages_are_installed_nothing_else_begins(first_start, installation):
    first_start.fix("install")
    first_start.fix("anew")
    first_start.check()
    assert len(installation.requests) == 1 and not first_start.is_checking


def test_closing_lets_an_installation_go_on(first_start, application, installation):
    first_start.fix("install")
    first_start.close()
    application.work()
    assert installation.stopped == 0 and application._waiting == []


def test_closing_ends_a_check(presenter, application, probe):
    presenter.check()
    presenter.close()
    assert probe.closed == 1
    presenter.check()
    assert len(probe.asked) == 1


def test_what_was_well_before_need_not_be_waited_for(presenter, application, probe, installation, tmp_path):
    checked(presenter, application, probe, healthy())
    later = EnvironmentPresenter(application.environment(tmp_path), application, ScriptedProbe(None), installation)
    later.check()
    assert later.reason_not_ready == "" and later.interpreter is not None
    assert later.summary.endswith("free. Checking it again...")
    later.choose("other")
    assert "No Python is chosen" in later.reason_not_ready


@pytest.mark.parametrize("spoiled", ["[]", "{", '{"of": 1}', '{"of": "slicer", "health": 3}'])
def test_a_spoiled_memory_is_no_error(presenter, application, spoiled):
    application.settings["Interpreter/Health"] = spoiled
    presenter.check()
    assert presenter.reason_not_ready


def test_what_was_wrong_before_is_not_remembered(presenter, application, probe):
    checked(presenter, application, probe, lacking("torch"))
    probe.answers[:] = [None]
    presenter.check()
    assert presenter.health is None and presenter.findings == []


def test_there_may_be_no_python_of_slicer(probe, installation, tmp_path):
    application = PlainApplication(python=None)
    application.settings["Interpreter/Kind"] = "slicer"
    presenter = EnvironmentPresenter(application.environment(tmp_path), application, probe, installation)
    presenter.check()
    assert "PythonSlicer was not found" in presenter.reason_not_ready
    assert presenter.summary == presenter.reason_not_ready and presenter.has_error


def test_another_python_must_be_chosen_first(presenter):
    presenter.choose("other")
    assert presenter.reason_not_ready.startswith("No Python is chosen")
    with pytest.raises(ConfigError, match="There is no file"):
        presenter.set_python("/no/python")


def test_a_python_that_is_chosen_is_checked(presenter, probe, tmp_path):
    (tmp_path / "env" / "bin").mkdir(parents=True)
    program = tmp_path / "env" / "bin" / "python3"
    program.touch()
    presenter.choose("other")
    presenter.set_python(f" {program.parent.parent} ")
    assert presenter.environment.python == str(program)
    assert probe.asked[-1].executable == str(program)


# -- Slicer's Python


def test_pytorch_comes_from_its_extension(presenter, application, probe, installation):
    checked(presenter, application, probe, lacking("torch", "monai"))
    assert presenter.summary == "Not ready:"
    assert presenter.reason_not_ready == "PyTorch and MONAI are missing. See Environment."
    assert labels(presenter) == [["Use a separate environment", "Install the PyTorch extension"]]
    presenter.fix("extension")
    assert "Slicer restarts once" in application.asked[0]
    assert application.asked[1:] == ["install PyTorch", "restart"] and not installation.requests


def test_its_module_is_opened_where_it_is_there(presenter, application, probe):
    application.modules.add("PyTorchUtils")
    checked(presenter, application, probe, lacking("torch", "monai"))
    assert labels(presenter) == [["Use a separate environment", "Open the PyTorch module"]]
    presenter.fix("module")
    assert application.asked == ["open PyTorchUtils"]


def test_nobody_is_restarted_who_does_not_want_it(presenter, application):
    application.confirms = False
    presenter.fix("extension")
    assert len(application.asked) == 1


def test_an_extension_that_cannot_be_installed_is_a_finding(presenter, application):
    application.problem_of_extension = "the extension could not be installed."
    presenter.fix("extension")
    assert presenter.findings[0].text == "the extension could not be installed."
    assert "restart" not in application.asked


def test_an_own_environment_is_a_click_away(presenter, application, probe):
    checked(presenter, application, probe, lacking("torch"))
    presenter.fix("choose:private")
    assert presenter.kind is InterpreterKind.PRIVATE and labels(presenter) == [["Install"]]


def test_monai_is_installed_by_slicer(presenter, application, probe):
    requests = {}
    application.installer = lambda args, **options: requests.update(options, args=args)
    checked(presenter, application, probe, lacking("monai"))
    assert labels(presenter) == [["Install MONAI"]]
    presenter.fix("install:monai")
    assert requests["args"] == ["monai>=1.3", "torch==2.9.1+cu128", "numpy==2.4.6"]
    assert presenter.is_installing and "Slicer installs" in presenter.reason_not_stoppable
    presenter.stop_install()
    assert presenter.is_installing
    requests["completedCallback"](0)
    application.work()
    assert not presenter.is_installing and presenter.is_checking


def test_before_slicer_could_pip_does_it(presenter, application, probe, installation):
    checked(presenter, application, probe, lacking("monai"))
    presenter.fix("install:monai")
    assert installation.requests[0][:3] == ["pip", "install", "monai>=1.3"]
    assert installation.interpreters[0].executable == application.python_slicer()


# -- another Python


def test_what_another_python_lacks_is_installed(presenter, application, probe, installation, tmp_path):
    (tmp_path / "python").touch()
    presenter.choose("other")
    presenter.set_python(str(tmp_path / "python"))
    checked(presenter, application, probe, lacking("torch", "numpy"))
    assert labels(presenter) == [["Install PyTorch and NumPy"]]
    presenter.fix("install:torch,numpy")
    assert installation.requests == [["install", "torch", "numpy", f"--python={tmp_path / 'python'}"]]
    assert installation.interpreters[0].executable == application.python_slicer()


# -- findings and their buttons


@pytest.fixture
def row_of_a_finding(presenter, application, probe, tmp_path):
    """Checks a Python of a kind, in which one thing is wrong."""
    (tmp_path / "python").touch()
    presenter.set_python(str(tmp_path / "python"))

    def check(kind: str, finding):
        presenter.choose(kind)
        (row,) = checked(presenter, application, probe, Health(False, {}, (finding,))).findings
        return row

    return check


@pytest.mark.parametrize(
    ("code", "topic", "kind", "fixes"),
    [
        ("package.broken", "torch", "slicer", ["choose:private", "extension"]),
        ("package.broken", "monai", "slicer", ["anew:monai"]),
        ("package.broken", "numpy", "slicer", ["choose:private"]),
        ("package.broken", "numpy", "other", ["anew:numpy"]),
        ("package.too_old", "monai", "slicer", ["anew:monai"]),
        ("package.missing", "numpy", "slicer", ["choose:private"]),
        ("package.missing", "numpy", "other", ["install:numpy"]),
        ("package.clash", "numpy", "slicer", ["choose:private"]),
        ("device.cpu_build", "device", "slicer", ["choose:private", "extension"]),
        ("device.driver", "device", "other", ["anew:torch"]),
        ("python.too_old", "python", "slicer", ["choose:private"]),
        ("python.too_old", "python", "other", ["choose:private"]),
        ("probe.failed", "python", "slicer", []),
        ("disk.low", "disk", "slicer", []),
    ],
)
def test_each_finding_has_the_buttons_that_fix_it(row_of_a_finding, code, topic, kind, fixes):
    row = row_of_a_finding(kind, finding(code, topic))
    assert [fix.code for fix in row.fixes] == fixes
    assert row.text and (fixes or "Fix it." in row.text)


def test_errors_come_before_warnings(presenter, application, probe):
    both = Health(False, {}, (finding("device.memory", level="warning"), finding("package.broken", "torch")))
    checked(presenter, application, probe, both)
    assert [row.level for row in presenter.findings] == ["error", "warning"]


def test_a_warning_is_no_error(presenter, application, probe):
    checked(presenter, application, probe, Health(True, {}, (finding("disk.low", "disk", "warning"),)))
    assert not presenter.has_error and presenter.reason_not_ready == ""
    assert len(presenter.findings) == 1


# -- with real processes

A_DOCTOR_AND_AN_INSTALLER = """
import json, sys, time
from pathlib import Path

if sys.argv[1] == "install":
    print("Downloading", *sys.argv[2:], flush=True)
    time.sleep(0.3)
    program = Path(sys.argv[2].partition("=")[2], "bin", "python")
    program.parent.mkdir(parents=True)
    program.symlink_to(sys.executable)
else:
    facts = {"python": "3.12.10", "torch": "2.9.1", "device": "CPU"}
    print(json.dumps({"is_well": True, "facts": facts, "findings": []}, indent=1))
"""


@pytest.mark.slow
def test_from_missing_to_ready_with_real_processes(application, tmp_path):
    engine = tmp_path / "engine.py"
    engine.write_text(A_DOCTOR_AND_AN_INSTALLER, encoding="utf-8")
    presenter = EnvironmentPresenter(
        application.environment(tmp_path / "home"),
        application,
        partial(Probe, engine=engine),
        lambda python, args, log: BackgroundProcess(python, [str(engine), *args[1:]], log),
    )

    def work(until) -> None:
        end = time.monotonic() + PATIENCE_S
        while not until():
            assert time.monotonic() < end, presenter.summary
            application.work()
            time.sleep(0.02)

    presenter.choose("private")
    presenter.fix(presenter.findings[0].fixes[0].code)
    work(lambda: "Downloading --environment=" in presenter.install_log)
    work(lambda: presenter.reason_not_ready == "")
    assert presenter.summary == "Ready: Python 3.12, PyTorch 2.9 on CPU."
    assert presenter.environment.install_log.read_text(encoding="utf-8").startswith("Downloading")
    presenter.close()


class _BrokenProbe:
    """An examination that ends in an error of its own."""

    def __init__(self, error: Exception) -> None:
        self.error, self.is_closed = error, False

    def __call__(self, _interpreter):
        return self

    def poll(self):
        raise self.error

    def close(self) -> None:
        self.is_closed = True


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), RuntimeError("no thread"), TypeError("None")])
def test_an_examination_that_ends_in_an_error_is_not_waited_for(application, tmp_path, installation, error):
    probe = _BrokenProbe(error)
    presenter = EnvironmentPresenter(application.environment(tmp_path), application, probe, installation)
    presenter.check()
    application.work()
    assert not presenter.is_checking and probe.is_closed and presenter.has_error
    assert presenter.summary.startswith("The environment could not be checked: ")
    assert presenter.reason_not_ready == presenter.summary


def test_one_that_cannot_be_begun_is_said(application, tmp_path, installation):
    def no_room(_interpreter):
        raise OSError(28, "No space left on device")

    presenter = EnvironmentPresenter(application.environment(tmp_path), application, no_room, installation)
    presenter.check()
    assert "No space left" in presenter.summary and not presenter.is_checking
