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
from environment_doubles import PlainApplication, an_extension, healthy
from patience import PATIENCE_S

from coranet.contract.errors import ConfigError, JobError, StorageError
from CoraNetSlicerLib.environment import background, windows_paths
from CoraNetSlicerLib.environment.background import BackgroundProcess
from CoraNetSlicerLib.environment.causes import likely_cause
from CoraNetSlicerLib.environment.environment import Environment, InterpreterKind
from CoraNetSlicerLib.environment.install import Installation, InstallRequest, readable
from CoraNetSlicerLib.environment.interpreter import Interpreter
from CoraNetSlicerLib.environment.preflight import obstacle
from CoraNetSlicerLib.environment.probe import Health, Probe
from CoraNetSlicerLib.environment.pytorch_extension import TorchChoice, torch_choice
from CoraNetSlicerLib.environment.windows_paths import characters_too_many


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


def test_slicers_own_python_is_the_first_choice(environment):
    interpreter = environment.interpreter()
    assert environment.kind is InterpreterKind.SLICER
    assert interpreter.executable == sys.executable
    assert "CORANET_PACKAGES" not in interpreter.environment


def test_a_private_folder_is_named_to_the_engine_alone(environment, tmp_path):
    environment.set_private_folder(str(tmp_path / "mine"))
    environment.choose(InterpreterKind.PRIVATE)
    folder = tmp_path / "mine" / f"python{sys.version_info[0]}.{sys.version_info[1]}"
    assert environment.interpreter().environment["CORANET_PACKAGES"] == str(folder)
    assert not folder.exists()
    environment.choose(InterpreterKind.SLICER)
    assert "CORANET_PACKAGES" not in environment.interpreter().environment


def test_another_python_is_free_of_slicers_libraries(environment, monkeypatch):
    for name in ("PYTHONHOME", "PYTHONPATH", "CORANET_PACKAGES"):
        monkeypatch.setenv(name, "/slicer")
    environment.choose(InterpreterKind.OTHER)
    environment.set_python(sys.executable)
    assert not {"PYTHONHOME", "PYTHONPATH", "CORANET_PACKAGES"} & set(environment.interpreter().environment)


def test_the_choice_outlives_the_application(application, environment, tmp_path):
    environment.choose(InterpreterKind.OTHER)
    environment.set_python(sys.executable)
    again = application.environment(tmp_path)
    assert (again.kind, again.python) == (InterpreterKind.OTHER, sys.executable)


def test_a_setting_of_another_version_is_no_error(application, environment):
    application.settings["Interpreter/Kind"] = "quantum"
    assert environment.kind is InterpreterKind.SLICER


def test_the_console_chooses_what_the_panel_chose(application):
    assert Environment.of(application).private_folder == str(Path.home() / "CoraNetSlicer" / "packages")


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
        environment.set_private_folder(str(tmp_path / "file" / "below"))
    with pytest.raises(ConfigError, match="is no whole path"):
        environment.set_private_folder("packages")
    with pytest.raises(ConfigError, match="There is no folder"):
        environment.set_wheels_folder(str(tmp_path / "nowhere"))
    with pytest.raises(ConfigError, match="has no wheel file"):
        environment.set_wheels_folder(str(tmp_path))
    assert (environment.python, environment.wheels_folder) == ("", "")


def test_empty_fields_are_no_choice(environment, tmp_path):
    for setting in (environment.set_python, environment.set_private_folder, environment.set_wheels_folder):
        setting("  ")
    assert (environment.python, environment.wheels_folder) == ("", "")
    assert environment.private_folder == str(tmp_path / "packages")
    environment.choose(InterpreterKind.OTHER)
    with pytest.raises(JobError, match="No Python is chosen"):
        environment.interpreter()


# -- the doctor in a process


def a_script(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "engine.py"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.slow
def test_the_real_doctor_answers(environment):
    health = wait(Probe(environment.interpreter()).poll, 120)
    assert health.is_well, health
    assert {"python", "torch", "monai", "device", "packages_folder"} <= set(health.facts)
    assert Health.from_json(health.to_json()) == health


def test_what_a_library_prints_does_not_spoil_the_answer(environment, tmp_path):
    answer = json.dumps({"is_well": True, "facts": {"python": "3.12"}, "findings": []}, indent=1)
    probe = Probe(environment.interpreter(), engine=a_script(tmp_path, f"print('{{hello')\nprint('''{answer}''')"))
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
def test_a_python_that_gives_no_answer_is_a_finding(environment, tmp_path, text, sentence):
    health = wait(Probe(environment.interpreter(), engine=a_script(tmp_path, text)).poll)
    assert not health.is_well and health.has("probe.failed")
    assert sentence in health.findings[0].message


def test_a_doctor_that_hangs_is_ended(environment, tmp_path):
    now = [0.0]
    script = a_script(tmp_path, "import time; time.sleep(600)")
    probe = Probe(environment.interpreter(), engine=script, clock=lambda: now[0])
    assert probe.poll() is None
    now[0] = 301.0
    assert "gave no answer within 5 minutes" in probe.poll().findings[0].message
    assert probe._process.exit_code() is not None


def test_what_is_no_program_is_said(environment, tmp_path):
    (tmp_path / "python").write_text("", encoding="utf-8")
    (tmp_path / "python").chmod(0o644)
    with pytest.raises(JobError, match="cannot be started"):
        Probe(Interpreter.chosen(tmp_path / "python", os.environ))


def test_a_process_is_ended_with_its_children(environment, tmp_path):
    script = a_script(
        tmp_path,
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(600)\n",
    )
    process = BackgroundProcess(environment.interpreter(), [str(script)], tmp_path / "log.txt")
    child = int(wait(lambda: process.said().strip() or None))
    process.stop()
    wait(process.exit_code)
    wait(lambda: True if not _runs(child) else None)
    process.stop()


def test_a_process_that_cannot_be_ended_does_not_hold_the_window(environment, tmp_path, monkeypatch):
    """One that waits for a disk or a network that hangs outlives even a kill."""

    class Unending:
        pid, waited = 4711, []

        def poll(self) -> None:
            return None

        def wait(self, timeout: float) -> None:
            self.waited.append(timeout)
            raise subprocess.TimeoutExpired("python", timeout)

    ended = []
    monkeypatch.setattr(background, "terminate_tree", ended.append)
    process = BackgroundProcess(environment.interpreter(), ["-V"], tmp_path / "log", launch=lambda *_, **__: Unending())
    process.stop()
    assert ended == [4711] and Unending.waited and max(Unending.waited) < 10


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_a_log_that_cannot_be_written_is_said(environment, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="could not be written"):
        BackgroundProcess(environment.interpreter(), ["-V"], tmp_path / "file" / "log.txt")


# -- installing


def test_what_is_asked_of_the_engine():
    request = InstallRequest(("torch", "monai"), ("torch",), "", TorchChoice(("torch>=2.2", "--cpuonly"), "ltt.zip"))
    assert request.words() == [
        "install", "torch", "monai", "--anew=torch", "--torch=torch>=2.2", "--torch=--cpuonly",
        "--light-the-torch=ltt.zip",
    ]  # fmt: skip
    from_wheels = InstallRequest(("torch",), (), "/wheels", TorchChoice(("torch>=2.2", "--cpuonly"), "ltt.zip"))
    assert from_wheels.words() == ["install", "torch", "--wheels=/wheels", "--torch=torch>=2.2"]
    assert InstallRequest(("monai",), torch=TorchChoice(("torch>=2.2",), "ltt.zip")).words() == ["install", "monai"]
    assert InstallRequest(("monai",)).words() == ["install", "monai"]


def test_an_installation_is_watched_through_its_log(environment, tmp_path):
    script = a_script(tmp_path, "import sys; print('Collecting größer', sys.argv[1:])")
    installation = Installation(environment.interpreter(), InstallRequest(("monai",)), tmp_path / "log", engine=script)
    assert wait(installation.poll) == 0
    assert installation.log() == "Collecting größer ['install', 'monai']"


def test_an_installation_that_fails_says_why(environment, tmp_path):
    script = a_script(tmp_path, "import sys; sys.exit('ERROR: [Errno 28] No space left on device')")
    installation = Installation(environment.interpreter(), InstallRequest(("monai",)), tmp_path / "log", engine=script)
    assert wait(installation.poll) == 1
    assert installation.why_failed().startswith("The disk is full; free some space")
    assert "Errno 28" in installation.why_failed()


def test_a_download_is_one_line():
    said = "Downloading torch\nProgress 0 of 3221225472\nProgress 1073741824 of 3221225472\nInstalling\n"
    assert readable(said).splitlines() == ["Downloading torch", "  1.00 of 3.00 GiB downloaded", "Installing"]
    assert readable("Progress 1048576 of 5242880") == "  1.0 of 5.0 MiB downloaded"


CAUSES = [
    ("OSError: [WinError 112] There is not enough space on the disk", "disk is full"),
    ("ERROR: Could not install packages due to an OSError: [Errno 2] No such file\nHINT: This error might have "
     "occurred since this system does not have Windows Long Path support enabled.", "path is too long"),
    ("ERROR: [WinError 5] Access is denied: 'c:\\torch\\lib\\c10.dll'", "in use or protected"),
    ("OSError: [WinError 225] Operation did not complete because the file contains a virus", "virus scanner"),
    ("SSLError(SSLEOFError(8, 'EOF occurred'))\nERROR: No matching distribution found for torch", "secure connection"),
    ("WARNING: Retrying after connection broken by 'ProxyError('Cannot connect to proxy.'\n"
     "ERROR: No matching distribution found for torch", "no connection to the internet"),
    ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.", "damaged on its way"),
    ("ERROR: ResolutionImpossible: for help visit", "contradict each other"),
    ("ERROR: No matching distribution found for torch>=2.2", "no build for this Python"),
    ("/usr/bin/python3: No module named pip", "has no pip"),
    ("MemoryError", "memory of the computer"),
    ("something else went wrong", "the log says more. (something else went wrong)"),
    ("", "The installation failed; the log says more."),
]  # fmt: skip


@pytest.mark.parametrize(("log", "cause"), CAUSES, ids=[cause for _, cause in CAUSES])
def test_the_likely_cause_is_said_in_words(log, cause):
    assert cause in likely_cause(log, 1)


def test_pips_own_words_are_kept_and_not_ours():
    said = likely_cause("ERROR: No matching distribution found for torch\nerror: pip install failed (exit code 1)\n", 8)
    assert said.endswith("(ERROR: No matching distribution found for torch)")


def test_a_process_that_was_killed_ran_out_of_memory():
    assert "memory ran out" in likely_cause("Installing collected packages: torch", -9)


# -- the PyTorch extension


def test_the_extension_is_asked_by_the_names_that_it_knows():
    assert torch_choice(an_extension).words == ("torch>=2.2", "numpy<2")


def an_extension_with(resolve) -> SimpleNamespace:
    return SimpleNamespace(PyTorchUtilsLogic=SimpleNamespace(_getPipInstallArguments=resolve))


@pytest.mark.parametrize(
    ("resolve", "words"),
    [
        (lambda: ["install", "torch", "torchvision"], ("torch>=2.2",)),
        (lambda forceComputationBackend: ["install", "torch==2.9", "--cpuonly"], ("torch==2.9", "--cpuonly")),  # noqa: N803
        (lambda unheard_of: [], ("torch>=2.2",)),
        (lambda: [], ("torch>=2.2",)),
        (lambda: None, ("torch>=2.2",)),
    ],
)
def test_an_extension_of_any_version_gives_a_choice(resolve, words):
    assert torch_choice(an_extension_with(resolve)).words == words


def test_without_the_extension_there_is_the_usual_choice():
    assert torch_choice(None) == TorchChoice(("torch>=2.2",), "")
    assert torch_choice(SimpleNamespace()) == TorchChoice()


def test_light_the_torch_comes_from_where_the_extension_takes_it(tmp_path):
    source = tmp_path / "PyTorchUtils.py"
    source.write_text(
        "class Logic:\n  @staticmethod\n  def _installLightTheTorch():\n    pip_install('light-the-torch @ https://x/y.zip')\n",
        encoding="utf-8",
    )
    assert torch_choice(SimpleNamespace(__file__=str(source))).light_the_torch == "light-the-torch @ https://x/y.zip"
    source.write_text("def _installLightTheTorch(: broken", encoding="utf-8")
    assert torch_choice(SimpleNamespace(__file__=str(source))).light_the_torch == ""


# -- long paths


@pytest.mark.parametrize(
    ("length", "options", "too_many"),
    [
        (78, {}, 0),
        (79, {}, 1),
        (90, {}, 12),
        (90, {"may_be_long": True}, 0),
        (90, {"platform": "linux"}, 0),
    ],
)
def test_paths_too_long_for_windows_are_found_before(length, options, too_many):
    given = {"may_be_long": False, "platform": "win32", **options}
    assert characters_too_many("x" * length, **given) == too_many


def test_pip_unpacks_in_a_folder_that_may_be_deeper(monkeypatch):
    monkeypatch.setattr(windows_paths.tempfile, "gettempdir", lambda: "x" * 60)
    assert characters_too_many("C:\\CoraNet", False, into_folder=True, platform="win32") == 60 + 33 + 1 + 180 - 259


def test_the_switch_of_windows_is_asked(monkeypatch):
    class Key:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            return False

    registry = SimpleNamespace(HKEY_LOCAL_MACHINE=0, OpenKey=lambda *_: Key(), QueryValueEx=lambda *_: (1, 4))
    monkeypatch.setitem(sys.modules, "winreg", registry)
    assert windows_paths.windows_allows_long_paths()
    registry.QueryValueEx = lambda *_: (0, 4)
    assert not windows_paths.windows_allows_long_paths()


@pytest.mark.parametrize(("kind", "is_obstacle"), [("slicer", True), ("private", True), ("other", False)])
def test_the_switch_helps_only_programs_that_heed_it(environment, monkeypatch, kind, is_obstacle):
    monkeypatch.setattr("CoraNetSlicerLib.environment.preflight.windows_allows_long_paths", lambda: True)
    environment.choose(InterpreterKind(kind))
    facts = healthy(packages_folder="C:\\" + "x" * 100).facts
    found = obstacle(environment, facts, ["torch"], platform="win32")
    assert (found is not None) is is_obstacle
    assert not is_obstacle or (found.code == "folder.path_too_long" and "25 characters too long" in found.message)
    assert obstacle(environment, facts, ["monai"], platform="win32") is None
