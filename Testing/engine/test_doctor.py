"""The doctor says what is wrong, and works where nothing else does."""

from __future__ import annotations

import importlib.metadata
import json
import re
import shutil
import subprocess
import sys
from collections import namedtuple
from functools import cache
from pathlib import Path

import pytest
from small_jobs import ENGINE, run_engine
from source_tree import REPOSITORY

from coranet.machine import devices
from coranet.setup import doctor, package_check
from coranet.setup.device_check import NvidiaCard, nvidia_card
from coranet.setup.doctor import Finding, Health, examine, report

Usage = namedtuple("Usage", "total used free")
Installed = namedtuple("Installed", "version files", defaults=[()])


@cache
def installed(name: str) -> Installed:
    """What is known of a package; the list of PyTorch's files is long, and read once."""
    distribution = importlib.metadata.Distribution.from_name(name)
    return Installed(distribution.version, distribution.files)


@pytest.fixture(autouse=True)
def lists_read_once(monkeypatch) -> None:
    monkeypatch.setattr(package_check.importlib.metadata, "distribution", installed)


@pytest.fixture
def versions(monkeypatch) -> dict[str, str]:
    """Versions that seem to be installed; a package without one seems to be missing."""
    pretended = {name: importlib.metadata.version(name) for name in package_check.REQUIRED}

    def distribution(name: str) -> Installed:
        if name not in pretended:
            raise importlib.metadata.PackageNotFoundError(name)
        return Installed(pretended[name])

    monkeypatch.setattr(package_check.importlib.metadata, "distribution", distribution)
    return pretended


def errors_of(health: Health) -> list[Finding]:
    return [finding for finding in health.findings if finding.level == "error"]


def test_a_machine_on_which_tests_run_is_well():
    health = examine()
    assert health.is_well
    assert {"coranet", "python", "interpreter", "system", "torch", "monai", "device"} <= set(health.facts)


@pytest.mark.parametrize("name", ["monai", "torch", "SimpleITK"])
def test_a_missing_package_is_an_error_that_says_how_to_install_it(versions, name):
    del versions[name]
    health = examine()
    (finding,) = errors_of(health)
    assert (finding.topic, finding.code) == (name, "package.missing")
    assert "missing" in finding.message and f'pip install "{name}>=' in finding.fix
    assert not health.is_well


@pytest.mark.parametrize(
    ("version", "well"),
    [
        ("1.13.1+cu117", False),
        ("2.1.9", False),
        ("2.1rc3", False),
        ("2", False),
        ("1!1.9", False),
        ("2.2.0", True),
        ("10.0", True),
    ],
)
def test_a_package_must_be_new_enough(versions, version, well):
    versions["torch"] = version
    assert examine().is_well is well


@pytest.mark.parametrize(
    "version",
    ["2.2.0rc1", "2.2rc1", "2.3rc2", "2.3.dev20240101", "2.2", "3", "2.10b1", "v2.4", "1!2.5", "2.2+cu121", "0+unknown"]
    + ["2.6.0a0+git1234", "0+untagged.1.gabc", "2.2.post1"],
)
def test_an_unusual_version_is_understood(versions, version):
    versions["torch"] = version
    assert examine().is_well


def test_a_full_disk_is_a_warning(monkeypatch):
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda folder: Usage(10**12, 10**12 - 2**30, 2**30))
    health = examine()
    assert "only 1.0 GiB are free" in " ".join(finding.message for finding in health.findings)
    assert health.is_well


def test_the_report_for_people_says_what_to_do():
    health = Health({"python": "3.11"}, [Finding("error", "torch", "it is missing.", "install it.")])
    assert report(health) == "python       3.11\nerror: it is missing. To fix it: install it.\nnot usable.\n"
    assert report(Health({}, [])) == "all is well.\n"
    assert report(Health({}, [Finding("warning", "disk", "full.", "free it.")])).endswith("usable.\n")


def test_the_report_for_programs_is_json():
    health = Health({"python": "3.11"}, [Finding("warning", "disk", "fast voll – ü.", "räumen.", "disk.low")])
    assert json.loads(health.to_json()) == {
        "is_well": True,
        "facts": {"python": "3.11"},
        "findings": [
            {"level": "warning", "topic": "disk", "message": "fast voll – ü.", "fix": "räumen.", "code": "disk.low"}
        ],
    }


@pytest.fixture
def a_broken_torch(tmp_path) -> str:
    """A folder for PYTHONPATH in which torch, monai and SimpleITK lie but cannot be imported."""
    for name in ("torch", "monai", "SimpleITK", "numpy"):
        (tmp_path / f"{name}.py").write_text("raise ImportError('DLL load failed')\n", encoding="utf-8")
    return str(tmp_path)


@pytest.mark.slow
def test_the_doctor_works_where_torch_does_not(a_broken_torch):
    answer = run_engine("doctor", "--json", PYTHONPATH=a_broken_torch)
    content = json.loads(answer.stdout)
    assert answer.returncode == 1
    assert not content["is_well"]
    assert "PyTorch is installed but does not work (DLL load failed)" in content["findings"][0]["message"]
    assert answer.stderr == ""


@pytest.mark.slow
def test_help_works_where_torch_does_not(a_broken_torch):
    answer = run_engine("--help", PYTHONPATH=a_broken_torch)
    assert answer.returncode == 0, answer.stderr
    assert all(command in answer.stdout for command in ("train", "segment", "evaluate", "run", "doctor", "phantom"))


@pytest.mark.slow
def test_the_doctor_of_this_machine(tmp_path):
    answer = run_engine("doctor")
    assert answer.returncode == 0
    assert answer.stdout.splitlines()[-1] in ("all is well.", "usable.")
    assert shutil.which("python") is None or "interpreter" in answer.stdout


def codes_of(health: Health) -> list[str]:
    return [finding.code for finding in health.findings]


@pytest.mark.parametrize("damage", [None, ""])
def test_a_half_installed_package_is_found(versions, damage):
    versions["monai"] = damage
    (finding,) = errors_of(examine())
    assert (finding.topic, finding.code) == ("monai", "package.broken")
    assert "only partly installed" in finding.message


def test_a_folder_that_lost_its_package_is_found(tmp_path, monkeypatch):
    (tmp_path / "left_over").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    assert package_check.installed_version("left_over") == ""
    assert package_check.installed_version("never_installed") is None


def test_a_package_whose_list_of_files_is_gone_still_works(monkeypatch):
    monkeypatch.setattr(
        package_check.importlib.metadata, "distribution", lambda name: Installed("9.9", None if name == "monai" else ())
    )
    health = examine()
    assert health.is_well
    assert "package.unlisted" in codes_of(health)


def test_packages_that_fail_in_any_way_are_findings(monkeypatch):
    def fail(name: str):
        raise SystemError("ABI mismatch\nand more")

    monkeypatch.setattr(package_check.importlib, "import_module", fail)
    errors = errors_of(examine())
    assert [finding.topic for finding in errors] == list(package_check.REQUIRED)
    assert errors[0].message == "PyTorch is installed but does not work (ABI mismatch)."


def test_a_pytorch_that_cannot_hand_arrays_to_numpy_is_found(monkeypatch):
    import torch

    def fail(tensor):
        raise RuntimeError("Numpy is not available")

    monkeypatch.setattr(torch.Tensor, "numpy", fail)
    (finding,) = errors_of(examine())
    assert (finding.topic, finding.code) == ("numpy", "package.clash")


@pytest.fixture
def an_nvidia_card(monkeypatch, tmp_path):
    """A machine whose driver tells of a graphics card."""
    answer = subprocess.CompletedProcess([], 0, "NVIDIA RTX 4090, 550.54.14\nNVIDIA T4, 550.54.14\n", "")
    monkeypatch.setattr("coranet.setup.device_check.shutil.which", lambda name: "nvidia-smi")
    monkeypatch.setattr("coranet.setup.device_check.subprocess.run", lambda *args, **options: answer)
    return answer


def test_the_driver_is_asked_for_the_card(an_nvidia_card):
    assert nvidia_card() == NvidiaCard("NVIDIA RTX 4090", "550.54.14")
    an_nvidia_card.stdout = ""
    assert nvidia_card() is None


@pytest.mark.parametrize(("build", "code"), [("cpu", "device.cpu_build"), ("CUDA 13.0", "device.driver")])
def test_a_card_that_pytorch_cannot_use_is_named(an_nvidia_card, monkeypatch, build, code):
    monkeypatch.setattr(devices, "torch_build", lambda: build)
    health = examine()
    assert code in codes_of(health) and health.is_well
    assert health.facts["graphics_card"] == "NVIDIA RTX 4090"
    assert "NVIDIA RTX 4090" in health.findings[0].message


@pytest.fixture
def a_cuda_device(monkeypatch):
    """Seems to be there; tells what is asked of it."""
    import torch

    card = devices.Device(torch.device("cpu"), torch.float32, "RTX 5090")
    monkeypatch.setattr(devices, "available_devices", lambda: ["cuda", "cpu"])
    monkeypatch.setattr(devices, "choose_device", lambda config: card)
    monkeypatch.setattr(devices, "device_memory_gib", lambda kind: 24.0)
    monkeypatch.setattr(devices, "free_memory_bytes", lambda device: 22 * 2**30)
    monkeypatch.setattr(devices, "missing_architecture", lambda: "")
    monkeypatch.setattr(devices, "convolution_error", lambda kind: "")
    return monkeypatch


def test_a_card_that_works_is_no_finding(a_cuda_device):
    health = examine()
    assert not health.findings
    assert health.facts["device"] == "RTX 5090"
    assert (health.facts["device_gib"], health.facts["device_free_gib"]) == (24.0, 22.0)


@pytest.mark.parametrize(
    ("name", "answer", "code", "is_well"),
    [
        ("missing_architecture", lambda: "the card needs sm_120, it has sm_90", "device.architecture", False),
        ("convolution_error", lambda kind: "no kernel image", "device.convolution", False),
        ("free_memory_bytes", lambda device: 2**30, "device.memory", True),
    ],
)
def test_a_card_that_does_not_work_is_a_finding(a_cuda_device, name, answer, code, is_well):
    a_cuda_device.setattr(devices, name, answer)
    health = examine()
    assert (codes_of(health), health.is_well) == ([code], is_well)


@pytest.mark.parametrize(
    ("built_for", "capability", "runs"),
    [
        (["sm_80", "sm_86"], (8, 9), True),
        (["sm_90"], (8, 6), False),
        (["sm_50", "sm_90"], (12, 0), False),
        (["sm_90", "compute_90"], (12, 0), True),
        (["sm_100a", "sm_120"], (12, 0), True),
        (["gfx1030"], (10, 3), False),
    ],
)
def test_a_build_runs_within_its_major_version_or_is_compiled_on_the_card(built_for, capability, runs):
    assert devices.runs_on(built_for, *capability) is runs


def test_a_small_convolution_is_really_computed():
    assert devices.convolution_error("cpu") == ""
    assert devices.convolution_error("no_such_device")


def test_an_apple_gpu_without_3d_convolutions_is_not_used(monkeypatch):
    monkeypatch.setattr(devices, "has_apple_gpu", lambda: True)
    monkeypatch.setattr(devices, "convolution_error", lambda kind: "Conv3D is not supported on MPS")
    assert devices.available_devices()[-1] == "cpu" and "mps" not in devices.available_devices()
    assert "device.convolution" in codes_of(examine())


OLD_PYTHONS = sorted(Path(sys.base_prefix).parent.glob("3.[89].*/bin/python"))


@pytest.mark.slow
@pytest.mark.skipif(not OLD_PYTHONS, reason="no Python older than 3.10 lies beside this one")
@pytest.mark.parametrize("python", OLD_PYTHONS, ids=lambda path: path.parent.parent.name)
def test_a_python_that_is_too_old_says_so(python):
    answer = subprocess.run([python, ENGINE, "doctor", "--json"], capture_output=True, text=True, encoding="utf-8")
    assert answer.returncode == 1
    assert [finding["code"] for finding in json.loads(answer.stdout)["findings"]] == ["python.too_old"]
    answer = subprocess.run([python, ENGINE, "run", "job"], capture_output=True, text=True, encoding="utf-8")
    assert answer.returncode == 8
    assert "is too old, expected 3.10 or newer" in answer.stderr


def test_what_an_old_python_is_told(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "_LEAST_PYTHON", (99,))
    assert doctor.main_of_an_old_python(["doctor"]) == 1
    assert "not usable." in capsys.readouterr().out
    assert doctor.main_of_an_old_python(["train"]) == 8


def test_each_code_and_fact_is_described():
    document = (REPOSITORY / "docs" / "reference" / "doctor.md").read_text(encoding="utf-8")
    source = "\n".join(
        (REPOSITORY / "CoraNetSlicer" / "coranet" / "setup" / f"{name}.py").read_text(encoding="utf-8")
        for name in ("doctor", "package_check", "device_check")
    )
    codes = set(re.findall(r"\"((?:package|python|device|disk)\.\w+)\"", source))
    assert len(codes) > 10
    missing = [code for code in [*sorted(codes), *examine().facts] if f"`{code}`" not in document]
    assert not missing, f"docs/reference/doctor.md does not tell of {missing}"
