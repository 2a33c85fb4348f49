"""What the application does for the panel: packages, extensions, and a ticker that lets go."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from CoraNetSlicerLib.core import application as module
from CoraNetSlicerLib.core.application import Application, QtTicker


@pytest.fixture
def extensions_model(monkeypatch):
    """Replaces the model of Slicer's extensions by one with some methods; None: this Slicer has none."""

    def replace(model) -> Application:
        app = SimpleNamespace() if model is None else SimpleNamespace(extensionsManagerModel=lambda: model)
        monkeypatch.setattr(module, "slicer", SimpleNamespace(app=app))
        return Application()

    return replace


def test_an_extension_is_installed_without_a_restart(extensions_model):
    requests = []
    model = SimpleNamespace(
        isExtensionInstalled=lambda name: False,
        installExtensionFromServer=lambda name, restart: requests.append((name, restart)) or True,
    )
    assert extensions_model(model).install_extension("PyTorch") == ""
    assert requests == [("PyTorch", False)]


def test_an_extension_that_is_there_is_not_installed_again(extensions_model):
    model = SimpleNamespace(isExtensionInstalled=lambda name: True, installExtensionFromServer=None)
    assert extensions_model(model).install_extension("PyTorch") == ""


REFUSING = SimpleNamespace(isExtensionInstalled=lambda _name: False, installExtensionFromServer=lambda *_: False)


@pytest.mark.parametrize("model", [None, REFUSING], ids=["no extensions", "refused"])
def test_what_cannot_be_installed_is_said(extensions_model, model):
    assert "'PyTorch' could not be installed" in extensions_model(model).install_extension("PyTorch")


def test_the_module_of_an_extension_is_found_and_shown(monkeypatch):
    shown = []
    there = SimpleNamespace(modules=SimpleNamespace(pytorchutils=1), util=SimpleNamespace(selectModule=shown.append))
    monkeypatch.setattr(module, "slicer", there)
    assert Application().has_module("PyTorchUtils") and not Application().has_module("SegmentEditorExtra")
    Application().open_module("PyTorchUtils")
    assert shown == ["PyTorchUtils"]


def test_slicers_installer_is_there_in_new_versions_only(monkeypatch):
    monkeypatch.setitem(sys.modules, "slicer.packaging", None)
    assert Application().pip_install() is None
    monkeypatch.setitem(sys.modules, "slicer.packaging", SimpleNamespace(pip_install=print))
    assert Application().pip_install() is print


@pytest.fixture
def ticker(qt_application):
    ticker = QtTicker(1)
    yield ticker
    ticker.stop()


def test_it_calls_until_it_is_stopped(ticker, process_events):
    calls = []
    ticker.start(lambda: calls.append(1))
    process_events(until=lambda: len(calls) >= 2)
    ticker.stop()
    ticker.stop()
    before = len(calls)
    process_events(until=waited(20))
    assert len(calls) == before


def test_starting_again_replaces_the_callback(ticker, process_events):
    first, second = [], []
    ticker.start(lambda: first.append(1))
    ticker.start(lambda: second.append(1))
    process_events(until=lambda: second)
    assert first == []


def test_a_callback_may_stop_its_own_ticker(ticker, process_events):
    calls = []

    def once():
        calls.append(1)
        ticker.stop()

    ticker.start(once)
    process_events(until=lambda: calls)
    process_events(until=waited(20))
    assert calls == [1]


def waited(times):
    """True when it was asked often enough; each time Qt has worked for some milliseconds."""
    left = iter(range(times))
    return lambda: next(left, None) is None
