"""coranet install: which commands are run, what is made anew, and that it works with a real uv."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import shutil
import sys
import zipfile
from pathlib import Path

import pytest
from small_jobs import run_engine
from source_tree import REPOSITORY

from coranet.command_line.cli import main
from coranet.contract.errors import ConfigError, PackageError, StorageError
from coranet.setup import installation
from coranet.setup.installation import Installation, install
from coranet.setup.package_check import REQUIRED, requirement
from CoraNetSlicerLib.environment.installation import MONAI


class Recorded:
    """Runs nothing; keeps the commands, and makes what they would make."""

    def __init__(self, code: int = 0) -> None:
        self.code = code
        self.commands: list[list[str]] = []
        self.environments: list[dict[str, str]] = []

    def __call__(self, command: list[str], **options) -> int:
        self.commands.append(command)
        self.environments.append(options["env"])
        if "--target" in command:
            uv = Path(command[command.index("--target") + 1], "bin", "uv")
            uv.parent.mkdir(parents=True)
            uv.touch()
        if command[1] == "venv" and not self.code:
            folder = Path(command[4])
            folder.mkdir(parents=True)
            (folder / "pyvenv.cfg").touch()
        return self.code

    @property
    def verbs(self) -> list[str]:
        """What each command is about."""
        return [
            "pip" if "--target" in command else " ".join(command[1:3]).partition(" --")[0] for command in self.commands
        ]


@pytest.fixture
def call() -> Recorded:
    return Recorded()


@pytest.fixture(autouse=True)
def no_uv_of_this_python(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(installation.sysconfig, "get_path", lambda name: str(tmp_path / "nothing" / "bin"))
    monkeypatch.delenv("UV_TORCH_BACKEND", raising=False)


@pytest.fixture
def own(tmp_path) -> Path:
    return tmp_path / "a folder" / "environment"


@pytest.fixture
def wheels(tmp_path) -> Path:
    folder = tmp_path / "wheels"
    folder.mkdir()
    (folder / "torch-2.13.0+cpu-cp312-cp312-manylinux_2_28_x86_64.whl").touch()
    return folder


# -- an environment of our own


def test_an_environment_is_made_with_all_packages(call, own):
    install(Installation(environment=own), call)
    pip, venv, packages = call.commands
    tools = own.with_name("environment-tools")
    assert pip[:4] == [sys.executable, "-m", "pip", "install"] and pip[-3:] == ["--target", str(tools), "uv>=0.8"]
    assert venv == [str(tools / "bin" / "uv"), "venv", "--python", ">=3.10,<3.14", str(own)]
    assert packages[:6] == [venv[0], "pip", "install", "--python", str(own), "--torch-backend=auto"]
    assert packages[6:] == [*map(requirement, REQUIRED), "pydicom>=2.4", "vtk>=9.2"]
    assert not (tools / "unfinished").exists()


def test_one_that_is_whole_is_brought_up_to_date(call, own):
    for _ in range(2):
        install(Installation(environment=own), call)
    assert call.verbs == ["pip", "venv", "pip install", "pip install"]


def test_one_that_was_interrupted_is_made_anew(call, own):
    call.code = 1
    with pytest.raises(PackageError, match="pip install uv failed"):
        install(Installation(environment=own), call)
    own.mkdir()
    (own / "half").touch()
    call.code = 0
    install(Installation(environment=own), call)
    assert call.verbs[-2:] == ["venv", "pip install"]
    assert not (own / "half").exists()


def test_a_repair_makes_it_anew_and_downloads_again(call, own):
    install(Installation(environment=own), call)
    (own / "damaged").touch()
    cache = own.with_name("environment-tools") / "cache"
    cache.mkdir()
    install(Installation(environment=own, anew=True), call)
    assert call.verbs[-2:] == ["venv", "pip install"]
    assert not (own / "damaged").exists() and not cache.exists()


def test_a_folder_of_somebody_else_is_never_removed(call, own):
    own.mkdir(parents=True)
    (own / "thesis.txt").touch()
    with pytest.raises(ConfigError, match="holds other files; choose a new or an empty folder"):
        install(Installation(environment=own, anew=True), call)
    assert (own / "thesis.txt").exists() and not call.commands


def test_a_file_in_use_is_an_error(call, own, monkeypatch):
    install(Installation(environment=own), call)

    def refuse(path, **_options):
        raise PermissionError(13, "Access is denied", str(path))

    monkeypatch.setattr(installation.shutil, "rmtree", refuse)
    with pytest.raises(StorageError, match="Access is denied"):
        install(Installation(environment=own, anew=True), call)


def test_no_half_of_what_was_downloaded_is_left_where_uv_looks(call, own, monkeypatch):
    tools, remove = own.with_name("environment-tools"), shutil.rmtree
    (tools / "cache" / "wheels").mkdir(parents=True)

    def interrupted(path, **options):
        if Path(path).exists() and Path(path).parent == tools:
            raise KeyboardInterrupt
        remove(path, **options)

    monkeypatch.setattr(installation.shutil, "rmtree", interrupted)
    with pytest.raises(KeyboardInterrupt):
        install(Installation(environment=own), call)
    assert not (tools / "cache").exists() and (tools / "unfinished").exists()
    monkeypatch.undo()
    install(Installation(environment=own), call)
    assert not list(tools.glob("*cache*")) and not (tools / "unfinished").exists()


def test_without_a_network_wheels_are_enough(call, own, wheels):
    install(Installation(environment=own, wheels=wheels), call)
    pip, venv, packages = call.commands
    source = ["--no-index", "--find-links", str(wheels)]
    assert pip[-4:] == [*source, "uv>=0.8"]
    # The version of Python for which PyTorch lies in the folder.
    assert venv[3] == "3.12" and venv[-1] == packages[-1] == "--offline"
    assert packages[5:8] == source and "--torch-backend=auto" not in packages


def test_a_chosen_build_of_pytorch_is_left_to_uv(call, own, monkeypatch):
    monkeypatch.setenv("UV_TORCH_BACKEND", "cpu")
    install(Installation(environment=own), call)
    assert "--torch-backend=auto" not in call.commands[-1] and call.environments[-1]["UV_TORCH_BACKEND"] == "cpu"


def test_a_folder_without_wheels_is_an_error(call, own, tmp_path):
    with pytest.raises(ConfigError, match="has no wheel file"):
        install(Installation(environment=own, wheels=tmp_path), call)
    assert call.commands == []


def test_nothing_of_slicers_python_reaches_uv(call, own, monkeypatch):
    monkeypatch.setenv("APPLAUNCHER_LEVEL", "1")
    monkeypatch.setenv("APPLAUNCHER_0_LD_LIBRARY_PATH", "/of/the/user")
    for name in ("PYTHONHOME", "PYTHONPATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"):
        monkeypatch.setenv(name, "/slicer")
    install(Installation(environment=own), call)
    given = call.environments[-1]
    assert given["LD_LIBRARY_PATH"] == "/of/the/user"
    assert not {"PYTHONHOME", "PYTHONPATH", "DYLD_LIBRARY_PATH"} & set(given)
    assert given["UV_CACHE_DIR"] == str(own.with_name("environment-tools") / "cache")


# -- a Python that is there


def test_packages_are_installed_into_a_python(call):
    install(Installation(("torch", "monai"), python="/p/python"), call)
    assert call.commands[-1][1:] == [
        "pip", "install", "--python", "/p/python", "--torch-backend=auto", "torch>=2.2", "monai>=1.3",
    ]  # fmt: skip


def test_packages_are_replaced(call):
    install(Installation(("torch",), python="/p/python", anew=True), call)
    assert call.commands[-1][-2:] == ["--reinstall-package=torch", "torch>=2.2"]


def test_a_failure_is_an_error(call, own):
    install(Installation(environment=own), call)
    call.code = 2
    with pytest.raises(PackageError, match=r"uv pip failed \(exit code 2\); the lines above say why."):
        install(Installation(environment=own), call)


def test_a_uv_that_vanishes_is_an_error(own):
    with pytest.raises(PackageError, match="check whether a virus scanner removed it"):
        install(Installation(environment=own), lambda command, **_: 0)


def test_without_pip_the_uv_of_the_system_is_used(call, own, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(installation.shutil, "which", lambda name: f"/usr/bin/{name}")
    install(Installation(environment=own), call)
    assert call.commands[0][0] == "/usr/bin/uv"


def test_what_slicer_installs_is_what_the_engine_asks_for():
    lines = (REPOSITORY / "Resources" / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == [requirement("monai")] == [MONAI]


# -- the command


@pytest.fixture
def requests(monkeypatch) -> list[Installation]:
    given: list[Installation] = []
    monkeypatch.setattr(installation, "install", given.append)
    return given


def test_without_arguments_it_installs_what_is_missing(requests, monkeypatch):
    assert main(["install"]) == 0
    monkeypatch.setattr(installation, "installed_version", lambda name: "1.0" if name != "monai" else "")
    assert main(["install"]) == 0
    assert [request.packages for request in requests] == [(), ("monai",)]


def test_its_arguments(requests):
    assert main(["install", "monai", "--python=/p", "--anew"]) == 0
    assert main(["install", "--environment=/own", "--wheels=/w", "--anew"]) == 0
    assert requests == [
        Installation(("monai",), None, "/p", True),
        Installation((), Path("/own").absolute(), sys.executable, True, Path("/w").absolute()),
    ]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["torchvision"], "the package 'torchvision' is not needed; choose among torch, monai"),
        (["monai", "--environment=/own"], "leave out --python and PACKAGE"),
        (["--python=/p", "--environment=/own"], "leave out --python and PACKAGE"),
        (["--anew"], "--anew and --python need PACKAGE or --environment"),
        (["--python=/p"], "--anew and --python need PACKAGE or --environment"),
    ],
)
def test_arguments_that_contradict_each_other_are_refused(requests, capsys, args, message):
    assert main(["install", *args]) == 2
    assert message in capsys.readouterr().err and requests == []


# -- a real uv


def write_wheel(folder: Path, name: str, version: str, requires: str = "") -> None:
    """A package of one module that tells its version."""
    description = f"{name}-{version}.dist-info"
    files = {
        f"{name}/__init__.py": f"__version__ = '{version}'\n",
        f"{description}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{requires}",
        f"{description}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},,\n" for path in [*files, f"{description}/RECORD"])
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        for path, text in {**files, f"{description}/RECORD": record}.items():
            wheel.writestr(path, text)


def write_wheels(folder: Path) -> None:
    """All that an environment needs, as packages of one module; of MONAI one that fits and one that does not."""
    folder.mkdir()
    for name in (*REQUIRED, "pydicom", "vtk"):
        write_wheel(folder, name, "99.1", "Requires-Dist: torch<99\n" if name == "monai" else "")
    write_wheel(folder, "monai", "98.0", "Requires-Dist: torch>=99\nRequires-Dist: numpy\n")


@pytest.mark.slow
@pytest.mark.skipif(not (shutil.which("uv") or importlib.util.find_spec("uv")), reason="needs uv: pip install uv")
def test_a_real_uv_makes_and_repairs_an_environment_from_wheels(tmp_path):
    wheels, own = tmp_path / "wheels \u2013 gr\u00f6\u00dfer", tmp_path / "own environment"
    write_wheels(wheels)
    found = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
    tools = own.with_name(f"{own.name}-tools")
    (tools / "bin").mkdir(parents=True)
    shutil.copy2(found, tools / "bin")
    answer = run_engine("install", f"--environment={own}", f"--wheels={wheels}")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    (packages,) = (path.parent for path in own.rglob("torch-*.dist-info"))
    # The MONAI that fits the PyTorch that is there, not the newest.
    assert {"torch-99.1.dist-info", "monai-98.0.dist-info"} <= {path.name for path in packages.iterdir()}
    (packages / "torch" / "__init__.py").write_text("", encoding="utf-8")
    answer = run_engine("install", f"--environment={own}", "--anew", f"--wheels={wheels}")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert (packages / "torch" / "__init__.py").read_text(encoding="utf-8") == "__version__ = '99.1'\n"
    assert importlib.metadata.version("torch") != "99.1", f"{sys.prefix} is as before"
