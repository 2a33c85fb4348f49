"""Comparisons are a package of their own, which an installation may not have."""

from __future__ import annotations

import sys

import pytest
from small_jobs import call, the_only_error

from coranet.contract.errors import PackageError
from coranet.experiments import experiments_module


@pytest.fixture
def no_experiments(monkeypatch):
    """As in Slicer's extension: the package cannot be imported."""
    for name in [name for name in sys.modules if name.startswith("coranet_experiments.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "coranet_experiments", None)


def test_a_module_of_the_package():
    assert experiments_module("statistics").mean([1.0, 3.0]) == 2


def test_what_the_package_itself_misses_is_not_taken_for_the_package():
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        experiments_module("no_such_module")


def test_without_the_package_an_error_says_how_to_get_it(no_experiments):
    with pytest.raises(PackageError, match="needs? .*'coranet_experiments'.*'pip install .'"):
        experiments_module("comparison")


@pytest.mark.parametrize("args", [(), ("--help",), ("scans.json", "--methods", "a,b", "--output", "folder")])
def test_the_command_says_it_whatever_its_arguments(no_experiments, capsys, args):
    assert call("experiment", *args) == PackageError.exit_code
    assert "coranet_experiments" in the_only_error(capsys)


def test_other_commands_do_without_it(no_experiments, capsys):
    with pytest.raises(SystemExit):
        call("phantom", "--seed", "x", "folder")
    assert "expected a whole number" in capsys.readouterr().err
