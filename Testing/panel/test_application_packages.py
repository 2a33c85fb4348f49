"""What the real Application asks of Slicer about packages and extensions, of Slicers of different versions."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from CoraNetSlicerLib.core import application as module
from CoraNetSlicerLib.core.application import Application


@pytest.fixture
def extensions_model(monkeypatch):
    """Replaces the model of Slicer's extensions by one with some methods; None: this Slicer has none."""

    def replace(model) -> Application:
        app = SimpleNamespace() if model is None else SimpleNamespace(extensionsManagerModel=lambda: model)
        monkeypatch.setattr(module, "slicer", SimpleNamespace(app=app))
        return Application()

    return replace


def test_an_extension_is_installed_without_a_restart(extensions_model):
    asked = []
    model = SimpleNamespace(
        isExtensionInstalled=lambda name: False,
        installExtensionFromServer=lambda name, restart: asked.append((name, restart)) or True,
    )
    assert extensions_model(model).install_extension("PyTorch") == ""
    assert asked == [("PyTorch", False)]


def test_an_extension_that_is_there_is_not_installed_again(extensions_model):
    model = SimpleNamespace(isExtensionInstalled=lambda name: True, installExtensionFromServer=None)
    assert extensions_model(model).install_extension("PyTorch") == ""


def test_other_arguments_are_no_obstacle(extensions_model):
    def install(name: str) -> bool:
        return True

    assert extensions_model(SimpleNamespace(installExtensionFromServer=install)).install_extension("PyTorch") == ""


@pytest.mark.parametrize(
    "model", [None, SimpleNamespace(), SimpleNamespace(installExtensionFromServer=lambda *_: False)]
)
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
