"""The doctor says what is wrong, and works where nothing else does."""

from __future__ import annotations

import importlib.metadata
import json
import shutil
from collections import namedtuple

import pytest
from small_jobs import run_engine

from coranet import doctor
from coranet.doctor import Finding, Health, examine, report

Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def versions(monkeypatch) -> dict[str, str]:
    """Versions that seem to be installed; a package without one seems to be missing."""
    pretended = {name: importlib.metadata.version(name) for name in ("torch", "monai", "numpy", "scipy", "SimpleITK")}

    def version(name: str) -> str:
        if name not in pretended:
            raise importlib.metadata.PackageNotFoundError(name)
        return pretended[name]

    monkeypatch.setattr(doctor.importlib.metadata, "version", version)
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
    assert finding.topic == name
    assert "missing" in finding.message and f'pip install "{name}>=' in finding.mend
    assert not health.is_well


@pytest.mark.parametrize(
    ("version", "well"), [("1.13.1+cu117", False), ("2.1.9", False), ("2.2.0", True), ("10.0", True)]
)
def test_a_package_must_be_new_enough(versions, version, well):
    versions["torch"] = version
    assert examine().is_well is well


@pytest.mark.parametrize("version", ["2.2.0rc1", "2.3.dev20240101", "2.2", "3"])
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
    assert report(health) == "python       3.11\nerror: it is missing. To mend it: install it.\nnot usable.\n"
    assert report(Health({}, [])) == "all is well.\n"
    assert report(Health({}, [Finding("warning", "disk", "full.", "free it.")])).endswith("usable.\n")


def test_the_report_for_programs_is_json():
    health = Health({"python": "3.11"}, [Finding("warning", "disk", "fast voll – ü.", "räumen.")])
    assert json.loads(health.to_json()) == {
        "is_well": True,
        "facts": {"python": "3.11"},
        "findings": [{"level": "warning", "topic": "disk", "message": "fast voll – ü.", "mend": "räumen."}],
    }


@pytest.fixture
def a_broken_torch(tmp_path) -> str:
    """A folder for PYTHONPATH in which torch, monai and SimpleITK lie but cannot be imported."""
    for name in ("torch", "monai", "SimpleITK", "numpy"):
        (tmp_path / f"{name}.py").write_text("raise ImportError('DLL load failed')\n", encoding="utf-8")
    return str(tmp_path)


def test_the_doctor_works_where_torch_does_not(a_broken_torch):
    answer = run_engine("doctor", "--json", PYTHONPATH=a_broken_torch)
    content = json.loads(answer.stdout)
    assert answer.returncode == 1
    assert not content["is_well"]
    assert "PyTorch is installed but does not work (DLL load failed)" in content["findings"][0]["message"]
    assert answer.stderr == ""


def test_help_works_where_torch_does_not(a_broken_torch):
    answer = run_engine("--help", PYTHONPATH=a_broken_torch)
    assert answer.returncode == 0, answer.stderr
    assert all(command in answer.stdout for command in ("train", "segment", "evaluate", "run", "doctor", "phantom"))


def test_the_doctor_of_this_machine(tmp_path):
    answer = run_engine("doctor")
    assert answer.returncode == 0
    assert answer.stdout.splitlines()[-1] in ("all is well.", "usable.")
    assert shutil.which("python") is None or "interpreter" in answer.stdout
