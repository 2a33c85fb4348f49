"""Workflows run what there is: targets of the Makefile, the supported versions of Python, folders of the repository."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from source_tree import REPOSITORY

yaml = pytest.importorskip("yaml")

WORKFLOWS = sorted((REPOSITORY / ".github" / "workflows").glob("*.yml"))
SUPPORTED = ["3.10", "3.11", "3.12", "3.13"]


def commands(path: Path) -> str:
    """All commands of a workflow, one after the other."""
    jobs = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"].values()
    return "\n".join(step["run"] for job in jobs for step in job["steps"] if "run" in step)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_targets_that_a_workflow_makes_exist(path):
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    made = set(re.findall(r"^make ([a-z-]+)", commands(path), re.MULTILINE))
    assert made <= targets


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_folders_that_a_workflow_names_exist(path):
    named = set(re.findall(r"(?<![\w/])(Testing/[\w/-]+|\.ci/[\w-]+)", commands(path)))
    assert all((REPOSITORY / name).exists() for name in named)


def test_linux_runs_every_supported_python():
    jobs = yaml.safe_load((REPOSITORY / ".github" / "workflows" / "tests.yml").read_text(encoding="utf-8"))["jobs"]
    assert jobs["linux"]["strategy"]["matrix"]["python"] == SUPPORTED
    assert set(jobs["windows-and-macos"]["strategy"]["matrix"]["python"]) <= set(SUPPORTED)
    project = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    assert f'requires-python = ">={SUPPORTED[0]}"' in project
