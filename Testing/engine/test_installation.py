"""coranet install: which commands are run, that they work with a real pip, and that broken remains are removed."""

from __future__ import annotations

import importlib.metadata
import json
import sys
import zipfile
from pathlib import Path

import pytest
from small_jobs import run_engine
from source_tree import REPOSITORY

from coranet import installation, package_remains
from coranet.cli import main
from coranet.contract.errors import PackageError
from coranet.installation import Wish, install
from coranet.package_check import requirement
from coranet.package_remains import remains, remove_package
from coranet.pip_process import Pip


class Recorded:
    """Runs nothing; keeps the words, and answers a question for what is missing."""

    def __init__(self, code: int = 0) -> None:
        self.code = code
        self.commands: list[list[str]] = []
        self.constraints: list[str] = []
        self.resolved = [{"metadata": {"name": "monai", "version": "1.5.0"}}]

    def __call__(self, command: list[str], **options) -> int:
        first = 4 + int(command[3])
        words = command[first:]
        self.commands.append(words)
        if "--constraint" in words:
            self.constraints.append(Path(words[words.index("--constraint") + 1]).read_text(encoding="utf-8"))
        if "--report" in words:
            report = Path(words[words.index("--report") + 1])
            report.write_text(json.dumps({"install": self.resolved}), encoding="utf-8")
        return self.code


@pytest.fixture
def call() -> Recorded:
    return Recorded()


@pytest.fixture
def pip(tmp_path, call, monkeypatch) -> Pip:
    monkeypatch.setattr(Pip, "_tells_progress", lambda self: False)
    return Pip(tmp_path, call=call)


def without_constraints(words: list[str]) -> list[str]:
    found = words.index("--constraint") if "--constraint" in words else len(words)
    return words[:found] + words[found + 2 :]


def test_pytorch_is_chosen_by_light_the_torch_and_torchvision_never_asked_for(pip, call):
    install(Wish(("torch", "monai"), torch_words=("torch>=2.2", "--cpuonly"), light_the_torch="ltt"), pip)
    assert [without_constraints(words) for words in call.commands] == [
        ["pip", "install", "--target", str(pip.tools), "ltt"],
        ["light_the_torch", "install", "torch>=2.2", "--cpuonly"],
        ["pip", "install", "monai>=1.3"],
    ]
    assert "torchvision" not in str(call.commands)


def test_light_the_torch_that_is_there_is_not_fetched(pip, call):
    (pip.tools / "light_the_torch").mkdir()
    install(Wish(("torch",)), pip)
    assert [words[0] for words in call.commands] == ["light_the_torch"]


def test_a_light_the_torch_that_installs_nothing_and_does_not_say_so_is_noticed(pip, call, monkeypatch, capsys):
    monkeypatch.setattr(installation, "installed_version", lambda name: None)
    install(Wish(("torch",), torch_words=("torch>=2.2", "--cpuonly")), pip)
    assert without_constraints(call.commands[-1]) == ["pip", "install", "torch>=2.2"]
    assert "pip itself is tried" in capsys.readouterr().out
    call.code = 1
    with pytest.raises(PackageError, match="pip install failed"):
        install(Wish(("torch",)), pip)


def test_numpy_and_pytorch_stay_as_they_are(pip, call):
    versions = {name: importlib.metadata.version(name) for name in ("torch", "numpy", "scipy", "SimpleITK")}
    install(Wish(("torch", "monai")), pip)
    for_torch, for_monai = call.constraints
    assert f"numpy=={versions['numpy']}\n" in for_torch and "torch" not in for_torch
    assert [f"{name}=={version}\n" in for_monai for name, version in versions.items()] == [True] * 4


def test_what_the_extension_asks_for_is_not_frozen(pip, call):
    install(Wish(("torch",), torch_words=("torch>=2.2", "numpy<2")), pip)
    assert "numpy" not in call.constraints[0] and "scipy" in call.constraints[0]


def test_into_a_folder_of_our_own_comes_what_is_missing_and_nothing_else(pip, call, tmp_path):
    folder = str(tmp_path / "own")
    install(Wish(("torch", "monai"), folder=folder), pip)
    assert [without_constraints(words) for words in call.commands][1:] == [
        ["light_the_torch", "install", "--upgrade", "--target", folder, "torch>=2.2"],
        [
            "pip",
            "install",
            "--dry-run",
            "--upgrade",
            "--quiet",
            "--report",
            str(pip.tools / "resolved.json"),
            "monai>=1.3",
        ],
        ["pip", "install", "--no-deps", "--upgrade", "--target", folder, "monai==1.5.0"],
    ]
    call.resolved.clear()
    install(Wish(("monai",), folder=folder), pip)
    assert call.commands[-1][-1] == "monai>=1.3", "the newest is elsewhere already, and perhaps broken"


def test_without_internet_wheels_are_enough(pip, call, tmp_path):
    (tmp_path / "torch-2.9.1-py3-none-any.whl").touch()
    wish = Wish(
        ("torch", "monai"), wheels=str(tmp_path), torch_words=("torch>=2.2", "--pytorch-computation-backend=cpu")
    )
    install(wish, pip)
    source = ["--no-index", "--find-links", str(tmp_path)]
    assert [without_constraints(words) for words in call.commands] == [
        ["pip", "install", "torch>=2.2", *source],
        ["pip", "install", *source, "monai>=1.3"],
    ]


def test_a_folder_without_wheels_is_said(pip, call, tmp_path):
    with pytest.raises(PackageError, match="has no wheel file"):
        install(Wish(("torch",), wheels=str(tmp_path)), pip)
    assert call.commands == []


def test_a_failure_of_pip_is_said(pip, call):
    call.code = 1
    with pytest.raises(PackageError, match=r"pip install failed \(exit code 1\); the lines above say why."):
        install(Wish(("monai",)), pip)


def test_what_is_told_of_progress(tmp_path, monkeypatch):
    pip = Pip(tmp_path, call=lambda command, **options: 0)
    monkeypatch.setattr(importlib.metadata, "distributions", lambda **_: [importlib.metadata.distribution("pip")])
    monkeypatch.setattr("coranet.pip_process._FIRST_WITH_RAW_PROGRESS", (0,))
    assert pip._tells_progress()
    monkeypatch.setattr(importlib.metadata, "distributions", lambda **_: [])
    monkeypatch.setattr("coranet.pip_process._FIRST_WITH_RAW_PROGRESS", (24, 1))
    assert not pip._tells_progress()


def test_what_slicer_is_told_to_need_is_what_is_installed():
    lines = (REPOSITORY / "Resources" / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == [requirement("monai")]


# -- the command


@pytest.fixture
def wishes(monkeypatch) -> list[Wish]:
    given: list[Wish] = []
    monkeypatch.setattr(installation, "install", lambda wish, pip: given.append(wish))
    return given


def test_without_words_it_installs_what_is_missing(wishes, monkeypatch):
    monkeypatch.delenv("CORANET_PACKAGES", raising=False)
    assert main(["install"]) == 0
    monkeypatch.setattr(installation, "installed_version", lambda name: "" if name == "monai" else None)
    assert main(["install"]) == 0
    assert [wish.packages for wish in wishes] == [(), ("torch", "monai")]
    assert wishes[0].folder == ""


def test_its_words(wishes, monkeypatch):
    monkeypatch.setenv("CORANET_PACKAGES", "/own")
    words = ["monai", "--anew=torch", "--torch=torch==2.9", "--torch=--cpuonly", "--light-the-torch=l"]
    assert main(["install", *words]) == 0
    assert main(["install", "torch", "--wheels=/w", "--torch=torch==2.9"]) == 0
    assert wishes == [
        Wish(("torch", "monai"), ("torch",), "/own", "", ("torch==2.9", "--cpuonly"), "l"),
        Wish(("torch",), (), "/own", "/w", ("torch==2.9",)),
    ]


def test_an_unknown_package_is_refused(wishes, capsys):
    assert main(["install", "torchvision"]) == 2
    assert "the package 'torchvision' is not needed; choose among torch, monai" in capsys.readouterr().err
    assert wishes == []


# -- broken remains


@pytest.fixture
def own_folder(tmp_path) -> Path:
    """A folder of packages in which an installation of PyTorch was interrupted."""
    folder = tmp_path / "packages"
    for name in (
        "torch", "~orch", "torchgen", "torch-2.9.1.dist-info", "~orch-2.8.0.dist-info", "torchvision",
        "torchvision-0.20.dist-info", "torch_geometric", "torch_geometric-2.6.dist-info", "monai", "numpy",
    ):  # fmt: skip
        (folder / name).mkdir(parents=True)
    (folder / "torch.py").touch()
    return folder


def test_what_is_left_of_a_package_is_found_and_nothing_else(own_folder):
    found = [path.name for path in remains("torch", own_folder)]
    assert found == ["torch", "torch-2.9.1.dist-info", "torchgen", "~orch", "~orch-2.8.0.dist-info"]
    assert [path.name for path in remains("monai", own_folder)] == ["monai"]


def test_a_repair_in_our_own_folder_leaves_the_interpreter_alone(own_folder, pip, call):
    remove_package("torch", str(own_folder), pip)
    assert call.commands == []
    assert remains("torch", own_folder) == []
    assert (own_folder / "torchvision").is_dir()


def test_linked_folders_stay(own_folder, tmp_path):
    (own_folder / "torchgen").rmdir()
    (own_folder / "torchgen").symlink_to(tmp_path)
    assert "torchgen" not in [path.name for path in remains("torch", own_folder)]


def test_what_is_whole_is_uninstalled_and_what_is_broken_removed(own_folder, pip, call, monkeypatch):
    monkeypatch.setattr(package_remains.sysconfig, "get_path", lambda name: str(own_folder))
    remove_package("torch", "", pip)
    assert call.commands == [["pip", "uninstall", "--yes", "torch"]]
    assert remains("torch", own_folder) == []
    monkeypatch.setattr(package_remains, "_is_whole", lambda name: False)
    remove_package("monai", "", pip)
    assert len(call.commands) == 1 and remains("monai", own_folder) == []


def test_a_file_in_use_is_said(own_folder, pip, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Access is denied")

    monkeypatch.setattr(package_remains.shutil, "rmtree", refuse)
    with pytest.raises(PackageError, match="cannot be removed .Access is denied.; close programs that use torch"):
        remove_package("torch", str(own_folder), pip)


# -- a real pip


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


@pytest.mark.slow
def test_a_private_folder_is_filled_from_wheels_and_repaired_by_a_real_pip(tmp_path):
    wheels, own = tmp_path / "wheels – größer", tmp_path / "own packages"
    wheels.mkdir()
    write_wheel(wheels, "torch", "99.1")
    write_wheel(wheels, "monai", "98.0", "Requires-Dist: torch>=99\nRequires-Dist: numpy\n")
    write_wheel(wheels, "monai", "98.1", "Requires-Dist: torch<99\nRequires-Dist: numpy\n")
    answer = run_engine("install", "torch", "monai", f"--wheels={wheels}", CORANET_PACKAGES=str(own))
    assert answer.returncode == 0, answer.stdout + answer.stderr
    # The MONAI that fits the PyTorch that is there, not the newest; NumPy comes from elsewhere.
    assert {"torch-99.1.dist-info", "monai-98.0.dist-info"} <= {path.name for path in own.iterdir()}
    assert not (own / "numpy").exists()
    for path in own.glob("torch-*.dist-info/*"):
        path.unlink()
    (own / "torch" / "__init__.py").unlink()
    answer = run_engine("install", "--anew=torch", f"--wheels={wheels}", CORANET_PACKAGES=str(own))
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert (own / "torch" / "__init__.py").read_text(encoding="utf-8") == "__version__ = '99.1'\n"
    assert importlib.metadata.version("torch") != "99.1", f"{sys.prefix} is as before"
