"""The choice of a Python, the doctor asked in a process, paths, causes: with real files and real processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from environment_doubles import PlainApplication
from patience import PATIENCE_S

from coranet.contract.errors import ConfigError, JobError, StorageError
from CoraNetSlicerLib.environment import installation, interpreter
from CoraNetSlicerLib.environment.environment import Environment, InterpreterKind
from CoraNetSlicerLib.environment.installation import (
    PackageInstallation,
    SlicerInstallation,
    characters_too_many,
    likely_cause,
    needed_gib,
    obstacle,
    pip_args,
)
from CoraNetSlicerLib.environment.interpreter import BackgroundProcess, Interpreter
from CoraNetSlicerLib.environment.probe import Health, Probe


@pytest.fixture
def application() -> PlainApplication:
    return PlainApplication()


@pytest.fixture
def environment(application, tmp_path) -> Environment:
    return application.environment(tmp_path)


def wait(poll, timeout: float = PATIENCE_S):
    until = time.monotonic() + timeout
    while (answer := poll()) is None:
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.02)
    return answer


# -- the choice


def test_an_environment_of_our_own_is_the_first_choice(environment, tmp_path):
    assert environment.kind is InterpreterKind.PRIVATE and environment.is_missing
    with pytest.raises(JobError, match="is not installed yet"):
        environment.interpreter()
    program = tmp_path / "environment" / "bin" / "python"
    program.parent.mkdir(parents=True)
    program.touch()
    assert not environment.is_missing
    assert environment.interpreter().executable == str(program)


def test_who_worked_with_slicers_packages_goes_on_with_them(application, environment):
    environment.choose(InterpreterKind.SLICER)
    environment.remember(environment.interpreter(), Health(True))
    del application.settings["Interpreter/Kind"]
    assert environment.kind is InterpreterKind.SLICER


def test_slicers_own_python(environment):
    environment.choose(InterpreterKind.SLICER)
    assert environment.interpreter().executable == sys.executable and not environment.is_missing


def test_another_python_is_free_of_slicers_libraries(environment, monkeypatch):
    for name in ("PYTHONHOME", "PYTHONPATH"):
        monkeypatch.setenv(name, "/slicer")
    environment.choose(InterpreterKind.OTHER)
    environment.set_python(sys.executable)
    assert not {"PYTHONHOME", "PYTHONPATH"} & set(environment.interpreter().environment)


def test_the_choice_outlives_the_application(application, environment, tmp_path):
    environment.choose(InterpreterKind.OTHER)
    environment.set_python(sys.executable)
    again = application.environment(tmp_path)
    assert (again.kind, again.python) == (InterpreterKind.OTHER, sys.executable)


def test_a_setting_of_another_version_is_no_error(application, environment):
    application.settings["Interpreter/Kind"] = "quantum"
    assert environment.kind is InterpreterKind.PRIVATE


def test_the_console_chooses_what_the_panel_chose(application):
    assert Environment.of(application).folder == str(Path.home() / "CoraNetSlicer" / "environment")


@pytest.mark.parametrize(
    ("program", "folder"), [("bin/python3", "env"), ("Scripts/python.exe", "env"), ("python.exe", "env")]
)
def test_the_folder_of_an_environment_is_as_good_as_its_program(environment, tmp_path, program, folder):
    path = tmp_path / folder / program
    path.parent.mkdir(parents=True)
    path.touch()
    environment.set_python(str(tmp_path / folder))
    assert environment.python == str(path)


def test_wrong_paths_are_told_of(environment, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="has no Python; choose the python program itself"):
        environment.set_python(str(tmp_path))
    with pytest.raises(ConfigError, match="is a file, expected a folder"):
        environment.set_folder(str(tmp_path / "file" / "below"))
    with pytest.raises(ConfigError, match="is not a full path"):
        environment.set_folder("environment")
    with pytest.raises(ConfigError, match="There is no folder"):
        environment.set_wheels_folder(str(tmp_path / "nowhere"))
    with pytest.raises(ConfigError, match="has no wheel file"):
        environment.set_wheels_folder(str(tmp_path))
    assert (environment.python, environment.wheels_folder) == ("", "")


def test_empty_fields_are_no_choice(environment, tmp_path):
    for setting in (environment.set_python, environment.set_folder, environment.set_wheels_folder):
        setting("  ")
    assert (environment.python, environment.wheels_folder) == ("", "")
    assert environment.folder == str(tmp_path / "environment")
    environment.choose(InterpreterKind.OTHER)
    with pytest.raises(JobError, match="No Python is chosen"):
        environment.interpreter()


# -- the doctor in a process


def a_script(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "engine.py"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def slicers(environment) -> Interpreter:
    """Slicer's Python, which is the one that runs the tests."""
    return environment.slicers_interpreter()


@pytest.mark.slow
def test_the_real_doctor_answers(slicers):
    health = wait(Probe(slicers).poll, 120)
    assert health.is_well, health
    assert {"python", "torch", "monai", "device", "packages_folder"} <= set(health.facts)
    assert Health.from_json(health.to_json()) == health


def test_what_a_library_prints_does_not_spoil_the_answer(slicers, tmp_path):
    answer = json.dumps({"is_well": True, "facts": {"python": "3.12"}, "findings": []}, indent=1)
    probe = Probe(slicers, engine=a_script(tmp_path, f"print('{{hello')\nprint('''{answer}''')"))
    assert wait(probe.poll).facts == {"python": "3.12"}


def test_an_answer_of_windows_is_read():
    answer = json.dumps({"is_well": True, "facts": {}, "findings": []}, indent=1)
    assert Health.from_json(f"noise\r\n{answer}".replace("\n", "\r\n")).is_well


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("import sys; sys.exit('DLL load failed: größer')", "exit code 1): DLL load failed: größer"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "it said nothing."),
        ("print('[1, 2]')", "exit code 0"),
        ("print('{}')", "exit code 0"),
    ],
)
def test_a_python_that_gives_no_answer_is_a_finding(slicers, tmp_path, text, sentence):
    health = wait(Probe(slicers, engine=a_script(tmp_path, text)).poll)
    assert not health.is_well and health.findings[0].code == "probe.failed"
    assert sentence in health.findings[0].message


def test_a_doctor_that_hangs_is_ended(slicers, tmp_path):
    now = [0.0]
    script = a_script(tmp_path, "import time; time.sleep(600)")
    probe = Probe(slicers, engine=script, clock=lambda: now[0])
    assert probe.poll() is None
    now[0] = 301.0
    assert "gave no answer within 5 minutes" in probe.poll().findings[0].message
    assert probe._process.exit_code() is not None


def test_what_is_no_program_is_said(slicers, tmp_path):
    (tmp_path / "python").write_text("", encoding="utf-8")
    (tmp_path / "python").chmod(0o644)
    with pytest.raises(JobError, match="cannot be started"):
        Probe(Interpreter.chosen(tmp_path / "python", os.environ))


def test_a_process_is_ended_with_its_children(slicers, tmp_path):
    script = a_script(
        tmp_path,
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(600)\n",
    )
    process = BackgroundProcess(slicers, [str(script)], tmp_path / "log.txt")
    child = int(wait(lambda: process.output().strip() or None))
    process.stop()
    wait(process.exit_code)
    wait(lambda: True if not _runs(child) else None)
    process.stop()


def test_a_process_that_cannot_be_ended_does_not_hold_the_window(slicers, tmp_path, monkeypatch):
    """One that waits for a disk or a network that hangs outlives even a kill."""

    class Unending:
        pid, waited = 4711, []

        def poll(self) -> None:
            return None

        def wait(self, timeout: float) -> None:
            self.waited.append(timeout)
            raise subprocess.TimeoutExpired("python", timeout)

    ended = []
    monkeypatch.setattr(interpreter, "terminate_tree", ended.append)
    process = BackgroundProcess(slicers, ["-V"], tmp_path / "log", launch=lambda *_, **__: Unending())
    process.stop()
    assert ended == [4711] and Unending.waited and max(Unending.waited) < 10


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_a_log_that_cannot_be_written_is_said(slicers, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="could not be written"):
        BackgroundProcess(slicers, ["-V"], tmp_path / "file" / "log.txt")


# -- installing


@pytest.fixture
def install(environment, application, tmp_path):
    """Installs all packages with an engine that runs some lines of Python."""

    def run(text: str) -> PackageInstallation:
        script = a_script(tmp_path, text)
        packages = PackageInstallation(
            environment, application, lambda python, args, log: BackgroundProcess(python, [str(script), *args[1:]], log)
        )
        packages.begin((), None, anew=False)
        wait(lambda: None if packages.poll() or packages.is_running else True)
        return packages

    return run


def test_an_installation_is_watched_through_its_log(install, environment):
    packages = install("import sys; print('Downloading größer', sys.argv[1:])")
    assert packages.problem == ""
    assert packages.log == f"Downloading größer ['install', '--environment={environment.folder}']"


def test_an_installation_that_fails_names_the_cause(install):
    packages = install("import sys; sys.exit('error: No space left on device (os error 28)')")
    assert packages.problem.startswith("The disk is full; free some space") and "os error 28" in packages.problem


def test_packages_of_slicer_stay_as_they_are():
    versions = {"torch": "2.9.1+cu128", "numpy": "2.4.6", "device": "RTX"}
    assert pip_args("monai>=1.3", versions, "", False) == ["monai>=1.3", "torch==2.9.1+cu128", "numpy==2.4.6"]
    again = pip_args("monai>=1.3", versions, "/w", True)
    assert again == ["--force-reinstall", "--no-deps", "--no-index", "--find-links", "/w", "monai>=1.3"]


def test_slicers_installer_is_asked_and_listened_to(tmp_path):
    requests = {}

    def pip_install(args, **options) -> None:
        requests.update(options, args=args)

    installation = SlicerInstallation(pip_install, ["monai>=1.3"], tmp_path / "home" / "log.txt")
    assert requests["args"] == ["monai>=1.3"] and not requests["blocking"] and installation.exit_code() is None
    requests["logCallback"]("Collecting monai\n")
    assert installation.output() == "Collecting monai"
    requests["logCallback"]("ERROR: No matching distribution found for monai")
    requests["completedCallback"](1)
    assert installation.exit_code() == 1 and "no build for this Python" in likely_cause(installation.output(), 1)
    assert "Collecting monai" in (tmp_path / "home" / "log.txt").read_text(encoding="utf-8")


def test_slicers_installer_that_is_busy_is_an_error(tmp_path):
    def pip_install(args, **options) -> None:
        raise RuntimeError("A non-blocking pip_install is already in progress.")

    with pytest.raises(JobError, match=r"Slicer cannot install it now .* try again later"):
        SlicerInstallation(pip_install, ["monai"], tmp_path / "log.txt")
    (tmp_path / "file").touch()
    with pytest.raises(StorageError):
        SlicerInstallation(print, ["monai"], tmp_path / "file" / "log.txt")


CAUSES = [
    ("error: Failed to write to the cache\n  Caused by: No space left on device (os error 28)", "disk is full"),
    ("error: failed to create file: The filename or extension is too long. (os error 206)", "path is too long"),
    ("error: failed to remove file `c10.dll`: Access is denied. (os error 5)", "in use or protected"),
    ("error: Failed to fetch: `https://pypi.org/simple/monai/`\n  Caused by: error sending request for url\n"
     "  Caused by: invalid peer certificate: UnknownIssuer", "secure connection"),
    ("error: Failed to fetch: `https://pypi.org/simple/monai/`\n  Caused by: client error (Connect)\n"
     "  Caused by: dns error: failed to lookup address information", "no internet connection"),
    ("WARNING: Retrying after connection broken by 'NewConnectionError('...')'\n"
     "ERROR: No matching distribution found for uv>=0.8", "no internet connection"),
    ("error: No interpreter found for Python >=3.10, <3.14 in search path", "no Python 3.10 to 3.13"),
    ("error: No solution found when resolving dependencies\n  cause: Because torch has no wheels with a matching "
     "Python ABI tag", "no build for this Python"),
    ("error: The interpreter at /usr is externally managed", "manages the packages of this Python"),
    ("something else went wrong", "see the log. (something else went wrong)"),
    ("", "The installation failed; see the log."),
]  # fmt: skip


@pytest.mark.parametrize(("log", "cause"), CAUSES, ids=[cause for _, cause in CAUSES])
def test_the_likely_cause_is_named(log, cause):
    assert cause in likely_cause(log, 1)


def test_the_last_error_of_the_installer_is_kept_and_not_ours():
    text = likely_cause(
        "error: No solution found when resolving\nerror: uv pip failed (exit code 1); the lines above\n", 8
    )
    assert text.endswith("(error: No solution found when resolving)")


def test_a_process_that_was_killed_ran_out_of_memory():
    assert "memory ran out" in likely_cause("Installing torch>=2.2 ...", -9)


# -- what could not succeed is not begun


@pytest.mark.parametrize(("length", "too_many"), [(78, 0), (79, 1), (90, 12)])
def test_paths_too_long_for_windows_are_found_before(length, too_many):
    assert characters_too_many("x" * length, "win32") == too_many
    assert characters_too_many("x" * length, "linux") == 0


def test_the_switch_of_windows_is_asked(monkeypatch, tmp_path):
    class Key:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            return False

    registry = SimpleNamespace(HKEY_LOCAL_MACHINE=0, OpenKey=lambda *_: Key(), QueryValueEx=lambda *_: (1, 4))
    monkeypatch.setitem(sys.modules, "winreg", registry)
    assert characters_too_many("x" * 100, "win32") == 0
    registry.QueryValueEx = lambda *_: (0, 4)
    assert "characters too long" in obstacle(tmp_path / ("x" * 100), True, "win32")
    assert obstacle(tmp_path / ("x" * 100), False, "win32") == ""


def test_a_disk_that_is_too_full_is_found_before(monkeypatch, tmp_path):
    usage = SimpleNamespace(free=2 * 2**30)
    monkeypatch.setattr(installation.shutil, "disk_usage", lambda folder: usage)
    monkeypatch.setattr(installation.shutil, "which", lambda name: None)
    assert "Only 2.0 GiB are free" in obstacle(tmp_path / "environment", True)
    assert obstacle(tmp_path, False) == ""
    usage.free = 5 * 2**30
    assert obstacle(tmp_path, True) == ""
    monkeypatch.setattr(installation.shutil, "which", lambda name: name)
    assert "about 10.0 are needed" in obstacle(tmp_path, True) and needed_gib() == 10


def test_a_folder_that_cannot_be_written_is_found_before(monkeypatch, tmp_path):
    def refuse(**_options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(installation.tempfile, "TemporaryFile", refuse)
    assert "cannot be written" in obstacle(tmp_path, True)
