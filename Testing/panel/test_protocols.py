"""The application of Slicer and the one of the tests have what the protocols ask for, and nothing else."""

from __future__ import annotations

import inspect

import pytest
from fake_application import FakeApplication

from CoraNetSlicerLib.core import protocols
from CoraNetSlicerLib.core.application import Application

_OWN = {"scene", "close"}  # who makes it uses these, no presenter does


def _methods(of: type) -> dict[str, list[str]]:
    found = inspect.getmembers(of, inspect.isfunction)
    return {name: list(inspect.signature(method).parameters) for name, method in found if not name.startswith("_")}


@pytest.mark.parametrize("application", [Application, FakeApplication])
def test_an_application_is_a_host(application):
    expected = _methods(protocols.Host)
    found = {name: arguments for name, arguments in _methods(application).items() if name not in _OWN}
    assert found == expected


def test_the_protocols_are_apart():
    assert not set(_methods(protocols.Scheduler)) & set(_methods(protocols.Views))
