"""Scenes that were saved as .mrb and loaded again, as after a restart of Slicer."""

from __future__ import annotations

from pathlib import Path
from zipfile import ZipFile

from CoraNetSlicerLib.core.context import SceneContext


def saved_and_reloaded(context: SceneContext, folder: Path) -> SceneContext:
    """The content of `context` in a new scene, by way of a bundle in `folder`."""
    bundle = folder / "scene.mrb"
    assert context.scene.WriteToMRB(str(bundle))
    return scene_of_bundle(bundle, folder / "unpacked")


def scene_of_bundle(bundle: Path, folder: Path) -> SceneContext:
    """A new scene with the content of a .mrb file, unpacked into `folder`."""
    with ZipFile(bundle) as archive:
        archive.extractall(folder)
    context = SceneContext.standalone()
    context.scene.SetURL(str(next(folder.rglob("*.mrml"))))
    assert context.scene.Import()
    return context
