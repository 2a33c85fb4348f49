"""What the section Environment shows and does, with a scripted doctor and installation."""

from __future__ import annotations

import time
from functools import partial

import pytest
from environment_doubles import (
    PlainApplication,
    ScriptedInstallation,
    ScriptedProbe,
    an_extension,
    finding,
    healthy,
    lacking,
)

from coranet.contract.errors import ConfigError
from CoraNetSlicerLib.environment.environment import InterpreterKind
from CoraNetSlicerLib.environment.install import Installation
from CoraNetSlicerLib.environment.presenter import EnvironmentPresenter
from CoraNetSlicerLib.environment.probe import Health, Probe


@pytest.fixture
def application() -> PlainApplication:
    application = PlainApplication()
    application.extension = an_extension
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


def examined(presenter, application, probe, *answers) -> EnvironmentPresenter:
    probe.answers[:] = list(answers)
    presenter.examine()
    application.work()
    return presenter


def labels(presenter) -> list[str]:
    return [row.mend.label if row.mend else "" for row in presenter.findings]


def test_nothing_is_started_before_it_is_asked_for(presenter, probe):
    assert presenter.summary == "Not examined yet."
    assert presenter.reason_not_ready and presenter.interpreter is None
    assert not probe.asked


def test_what_is_well_is_ready(presenter, application):
    changes = []
    presenter.changed.connect(lambda: changes.append(presenter.summary))
    presenter.examine()
    assert "being examined" in presenter.reason_not_ready
    application.work()
    application.work()
    assert presenter.reason_not_ready == "" and presenter.interpreter is not None
    assert changes == [
        "Examining the environment...",
        "Ready: Python 3.12, PyTorch 2.9 on NVIDIA RTX 4090, 22 of 24 GiB free.",
    ]
    assert not presenter.has_error and presenter.findings == []


def test_polling_ends_with_the_answer(presenter, application):
    presenter.examine()
    for _ in range(3):
        application.work()
    assert application._waiting == []


def test_the_processor_has_no_memory_of_its_own(presenter, application, probe):
    examined(presenter, application, probe, healthy(device="CPU (8 threads)", device_kind="cpu", device_gib=None))
    assert presenter.summary.endswith("on CPU (8 threads).")


def test_what_is_missing_is_installed_by_one_button(presenter, application, probe, installation):
    examined(presenter, application, probe, lacking("torch", "monai"))
    assert presenter.summary == "Not ready:"
    assert presenter.reason_not_ready == "PyTorch and MONAI are missing. See Environment."
    assert presenter.has_error and presenter.interpreter is None
    assert labels(presenter) == ["Install PyTorch and MONAI"] and presenter.can_install
    presenter.mend(presenter.findings[0].mend.code)
    (request,) = installation.requests
    assert request.packages == ("torch", "monai") and request.anew == ()
    assert request.torch.words == ("torch>=2.2", "numpy<2")


def test_an_installation_is_followed_and_then_examined(presenter, application, probe, installation):
    examined(presenter, application, probe, lacking("monai"))
    presenter.mend("install:monai")
    assert presenter.is_installing and "being installed" in presenter.reason_not_ready
    assert "stop it" in presenter.reason_not_changeable
    installation.said = "Collecting monai\n"
    application.work()
    assert presenter.install_log == "Collecting monai\n"
    installation.code, probe.answers[:] = 0, [healthy()]
    application.work()
    assert not presenter.is_installing and presenter.is_examining
    application.work()
    assert presenter.reason_not_ready == "" and presenter.findings == []


def test_an_installation_that_fails_says_why(presenter, application, probe, installation):
    examined(presenter, application, probe, lacking("monai"))
    presenter.mend("install:monai")
    installation.code = 8
    application.work()
    application.work()
    assert [row.code for row in presenter.findings] == ["install.failed", "package.missing"]
    assert presenter.findings[0].text == "it failed with 8"
    assert labels(presenter)[0] == "Use a private folder"
    presenter.mend("choose:private")
    assert presenter.kind is InterpreterKind.PRIVATE
    assert [row.code for row in presenter.findings] == []


def test_an_installation_can_be_stopped(presenter, application, probe, installation):
    examined(presenter, application, probe, lacking("monai"))
    presenter.mend("install:monai")
    presenter.stop_install()
    assert installation.stopped == 1 and not presenter.is_installing
    assert presenter.findings[0].text == "The installation was stopped."
    presenter.stop_install()
    assert installation.stopped == 1


def test_while_packages_are_installed_nothing_else_begins(presenter, application, probe, installation):
    examined(presenter, application, probe, lacking("monai"))
    presenter.mend("install:monai")
    presenter.mend("anew:torch")
    presenter.examine()
    assert len(installation.requests) == 1 and not presenter.is_examining


def test_closing_lets_an_installation_go_on(presenter, application, probe, installation):
    examined(presenter, application, probe, lacking("monai"))
    presenter.mend("install:monai")
    presenter.close()
    application.work()
    assert installation.stopped == 0 and application._waiting == []


def test_closing_ends_an_examination(presenter, application, probe):
    presenter.examine()
    presenter.close()
    assert probe.closed == 1
    presenter.examine()
    assert len(probe.asked) == 1


def test_what_was_well_before_need_not_be_waited_for(presenter, application, probe, installation, tmp_path):
    examined(presenter, application, probe, healthy())
    later = EnvironmentPresenter(application.environment(tmp_path), application, ScriptedProbe(None), installation)
    later.examine()
    assert later.reason_not_ready == "" and later.interpreter is not None
    assert later.summary.endswith("free. Examining it again...")
    later.choose("private")
    assert "being examined" in later.reason_not_ready


@pytest.mark.parametrize("spoiled", ["[]", "{", '{"of": 1}', '{"of": "slicer", "health": 3}'])
def test_a_spoiled_memory_is_no_error(presenter, application, spoiled):
    application.settings["Interpreter/Health"] = spoiled
    presenter.examine()
    assert presenter.reason_not_ready


def test_what_was_wrong_before_is_not_remembered(presenter, application, probe):
    examined(presenter, application, probe, lacking("torch"))
    probe.answers[:] = [None]
    presenter.examine()
    assert presenter.health is None and presenter.findings == []


def test_there_may_be_no_python_of_slicer(probe, installation, tmp_path):
    application = PlainApplication(python=None)
    presenter = EnvironmentPresenter(application.environment(tmp_path), application, probe, installation)
    presenter.examine()
    assert "PythonSlicer was not found" in presenter.reason_not_ready
    assert presenter.summary == presenter.reason_not_ready and presenter.has_error


def test_another_python_must_be_chosen_first(presenter):
    presenter.choose("other")
    assert presenter.reason_not_ready.startswith("No Python is chosen")
    with pytest.raises(ConfigError, match="There is no file"):
        presenter.set_python("/no/python")


def test_a_python_that_is_chosen_is_examined(presenter, probe, tmp_path):
    (tmp_path / "env" / "bin").mkdir(parents=True)
    program = tmp_path / "env" / "bin" / "python3"
    program.touch()
    presenter.choose("other")
    presenter.set_python(f" {program.parent.parent} ")
    assert presenter.python == str(program)
    assert probe.asked[-1].executable == str(program)


# -- the PyTorch extension


@pytest.fixture
def without_extension(presenter, application, probe):
    application.extension = None
    return examined(presenter, application, probe, lacking("torch", "monai"))


def test_a_missing_extension_is_offered_and_resumed(without_extension, application, probe, installation, tmp_path):
    assert labels(without_extension) == ["Install the PyTorch extension"]
    without_extension.mend("extension")
    assert "Slicer restarts once" in application.told[0]
    assert application.told[1:] == ["install PyTorch", "restart"]
    assert not installation.requests
    application.extension = an_extension
    after = EnvironmentPresenter(application.environment(tmp_path), application, probe, installation)
    examined(after, application, probe, lacking("torch", "monai"))
    assert after.is_installing
    assert installation.requests[0].packages == ("torch", "monai")
    third = EnvironmentPresenter(application.environment(tmp_path), application, probe, ScriptedInstallation())
    examined(third, application, probe, lacking("torch"))
    assert not third.is_installing, "it is resumed once"


def test_nobody_is_restarted_who_does_not_want_it(without_extension, application):
    application.confirms = False
    without_extension.mend("extension")
    assert len(application.told) == 1 and not application.setting("Environment/PendingInstall")


def test_an_extension_that_cannot_be_installed_is_said(without_extension, application):
    application.problem_of_extension = "the extension could not be installed."
    without_extension.mend("extension")
    assert without_extension.findings[0].text == "the extension could not be installed."
    assert "restart" not in application.told and not application.setting("Environment/PendingInstall")


def test_an_extension_that_does_not_come_is_no_endless_loop(presenter, application, probe, installation):
    application.extension = None
    application.settings["Environment/PendingInstall"] = "torch,monai"
    examined(presenter, application, probe, lacking("torch", "monai"))
    assert "still not there" in presenter.findings[0].text
    assert labels(presenter) == ["Use a private folder", "Install the PyTorch extension"]
    assert not installation.requests


def test_what_has_been_mended_meanwhile_is_not_resumed(presenter, application, probe, installation):
    application.settings["Environment/PendingInstall"] = "torch,monai"
    examined(presenter, application, probe, healthy())
    assert not installation.requests and presenter.reason_not_ready == ""


def test_a_private_folder_needs_no_extension(without_extension, application, probe, installation):
    without_extension.choose("private")
    application.work()
    assert labels(without_extension) == ["Install PyTorch and MONAI"]
    without_extension.mend("install:torch,monai")
    assert installation.requests[0].torch.words == ("torch>=2.2",)


def test_wheels_need_no_extension(without_extension, tmp_path, installation):
    (tmp_path / "torch-2.9.1-cp312-cp312-linux_x86_64.whl").touch()
    without_extension.set_wheels_folder(str(tmp_path))
    assert labels(without_extension) == ["Install PyTorch and MONAI"]
    without_extension.mend("install:torch,monai")
    assert installation.requests[0].wheels == str(tmp_path)
    assert f"--wheels={tmp_path}" in installation.requests[0].words()


# -- what could not succeed is not begun


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        ({"packages_writable": False}, "cannot be written to '/slicer/site-packages'"),
        ({"packages_free_gib": 2.0}, "Only 2.0 GiB are free"),
        ({"packages_free_gib": 5.0, "graphics_card": "RTX 4090"}, "about 10 are needed"),
    ],
)
def test_what_cannot_succeed_is_not_begun(presenter, application, probe, installation, facts, sentence):
    examined(presenter, application, probe, lacking("torch", **facts))
    presenter.mend("install:torch")
    assert not installation.requests
    assert sentence in presenter.findings[0].text


# -- findings and their buttons


@pytest.fixture
def row_of_a_finding(presenter, application, probe, tmp_path):
    """Examines a Python of a kind, in which one thing is wrong."""
    (tmp_path / "python").touch()
    presenter.set_python(str(tmp_path / "python"))

    def examine(kind: str, one):
        presenter.choose(kind)
        (row,) = examined(presenter, application, probe, Health(False, {}, (one,))).findings
        return row

    return examine


@pytest.mark.parametrize(
    ("code", "topic", "kind", "mend"),
    [
        ("package.broken", "torch", "slicer", "anew:torch"),
        ("package.broken", "monai", "private", "anew:monai"),
        ("package.broken", "numpy", "slicer", None),
        ("package.broken", "numpy", "other", "anew:numpy"),
        ("package.unlisted", "torch", "slicer", "anew:torch"),
        ("package.too_old", "monai", "slicer", "anew:monai"),
        ("package.missing", "numpy", "slicer", None),
        ("package.missing", "numpy", "other", "install:numpy"),
        ("package.clash", "numpy", "slicer", "choose:private"),
        ("package.clash", "numpy", "private", None),
        ("device.cpu_build", "device", "slicer", "anew:torch"),
        ("device.driver", "device", "other", "anew:torch"),
        ("device.architecture", "device", "slicer", "anew:torch"),
        ("python.too_old", "python", "slicer", "choose:other"),
        ("python.too_old", "python", "other", None),
        ("probe.failed", "python", "slicer", None),
    ],
)
def test_each_finding_has_the_button_that_mends_it(row_of_a_finding, code, topic, kind, mend):
    row = row_of_a_finding(kind, finding(code, topic))
    assert (row.mend.code if row.mend else None) == mend
    assert row.text and (row.mend is not None or "Mend it" in row.text or "install Slicer again" in row.text)


def test_a_repair_removes_first(presenter, application, probe, installation):
    broken = Health(False, {}, (finding("package.broken", "torch"), finding("package.missing", "monai")))
    examined(presenter, application, probe, broken)
    presenter.mend("anew:torch")
    assert (installation.requests[0].packages, installation.requests[0].anew) == (("torch", "monai"), ("torch",))


def test_errors_come_before_warnings(presenter, application, probe):
    both = Health(False, {}, (finding("device.memory", level="warning"), finding("package.broken", "torch")))
    examined(presenter, application, probe, both)
    assert [row.level for row in presenter.findings] == ["error", "warning"]


def test_a_warning_is_no_error(presenter, application, probe):
    examined(presenter, application, probe, Health(True, {}, (finding("disk.low", "disk", "warning"),)))
    assert not presenter.has_error and presenter.reason_not_ready == ""
    assert len(presenter.findings) == 1


# -- with real processes

A_DOCTOR_AND_AN_INSTALLER = """
import json, sys, time
from pathlib import Path

installed = Path(__file__).with_name("installed")
if sys.argv[1] == "install":
    print("Collecting", *sys.argv[2:4], flush=True)
    time.sleep(0.3)
    installed.touch()
else:
    missing = {"level": "error", "topic": "torch", "message": "missing.", "mend": "-", "code": "package.missing"}
    facts = {"python": "3.12.10", "torch": "2.9.1", "device": "CPU", "packages_free_gib": 99.0}
    findings = [] if installed.exists() else [missing]
    print(json.dumps({"is_well": not findings, "facts": facts, "findings": findings}, indent=1))
"""


def test_from_missing_to_ready_with_real_processes(application, tmp_path):
    engine = tmp_path / "engine.py"
    engine.write_text(A_DOCTOR_AND_AN_INSTALLER, encoding="utf-8")
    presenter = EnvironmentPresenter(
        application.environment(tmp_path / "home"),
        application,
        partial(Probe, engine=engine),
        partial(Installation, engine=engine),
    )

    def work(until) -> None:
        end = time.monotonic() + 30
        while not until():
            assert time.monotonic() < end, presenter.summary
            application.work()
            time.sleep(0.02)

    presenter.examine()
    work(lambda: presenter.findings)
    presenter.mend(presenter.findings[0].mend.code)
    work(lambda: "Collecting torch --torch=torch>=2.2" in presenter.install_log)
    work(lambda: presenter.reason_not_ready == "")
    assert presenter.summary == "Ready: Python 3.12, PyTorch 2.9 on CPU."
    assert presenter.install_log_path.read_text(encoding="utf-8").startswith("Collecting torch")
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
    presenter.examine()
    application.work()
    assert not presenter.is_examining and probe.is_closed and presenter.has_error
    assert presenter.summary.startswith("The environment could not be examined: ")
    assert presenter.reason_not_ready == presenter.summary


def test_one_that_cannot_be_begun_is_said(application, tmp_path, installation):
    def no_room(_interpreter):
        raise OSError(28, "No space left on device")

    presenter = EnvironmentPresenter(application.environment(tmp_path), application, no_room, installation)
    presenter.examine()
    assert "No space left" in presenter.summary and not presenter.is_examining
