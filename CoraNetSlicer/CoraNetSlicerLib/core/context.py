"""The scene and the module logics that the Slicer side works with; handed in, never looked up."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import slicer

from coranet.contract.errors import JobError


def require_main_thread() -> None:
    """Raise JobError where a scene is worked on from a thread: Slicer would crash, now or later."""
    if threading.current_thread() is not threading.main_thread():
        raise JobError(
            "CoraNet was called from a thread, which can crash Slicer; call it from the main thread: trainings and "
            "segmentations run in the background anyway."
        )


def add_for_a_while(scene: Any, node: Any, display: Any) -> Any:
    """Add a node with its display node, both neither offered anywhere nor saved with the scene; returns the node."""
    for added in (display, node):
        added.SetHideFromEditors(True)
        added.SetSaveWithScene(False)
    node.SetAndObserveDisplayNodeID(scene.AddNode(display).GetID())
    return scene.AddNode(node)


def remove_with_display(node: Any) -> None:
    """Take a node and its display node out of their scene; no error where there is none, or it has left the scene."""
    scene = node.GetScene() if node is not None else None
    if scene is None:
        return
    display = node.GetDisplayNode()
    scene.RemoveNode(node)
    # In the application, a model takes its display node along.
    if display is not None and display.GetScene() is not None:
        scene.RemoveNode(display)


@dataclass(frozen=True)
class SceneContext:
    """A MRML scene with the logics that belong to it.

    Attributes:
        scene: vtkMRMLScene.
        segmentations_logic: vtkSlicerSegmentationsModuleLogic of that scene.
        logics: others, which work in the scene as long as they are kept here; () in the application: it has its own.
    """

    scene: Any
    segmentations_logic: Any
    logics: tuple[Any, ...] = ()

    @property
    def subject_hierarchy(self) -> Any:
        """The scene's vtkMRMLSubjectHierarchyNode; made if the scene has none yet."""
        return slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(self.scene)

    def place_under(self, volume_node: Any, node: Any) -> None:
        """Show a node below a volume in the tree of the module Data."""
        hierarchy = self.subject_hierarchy
        item = hierarchy.GetItemByDataNode(volume_node)
        if not item:
            item = hierarchy.CreateItem(hierarchy.GetSceneItemID(), volume_node)
        hierarchy.SetItemParent(hierarchy.CreateItem(item, node), item)

    @staticmethod
    def standalone() -> SceneContext:
        """A new, empty scene with logics of its own: for scripts and tests outside the application.

        Unlike in the application, nodes get their items in the subject hierarchy only when something makes them
        (`subject_hierarchy.CreateItem`, which returns the item that is there already in both).
        """
        scene = slicer.vtkMRMLScene()
        application_logic = slicer.vtkSlicerApplicationLogic()
        application_logic.SetMRMLScene(scene)
        application_logic.GetColorLogic().SetMRMLScene(scene)  # adds the default colour tables
        logics = {
            "Segmentations": slicer.vtkSlicerSegmentationsModuleLogic(),
            "Volumes": slicer.vtkSlicerVolumesLogic(),
            "Sequences": slicer.vtkSlicerSequencesLogic(),
        }
        for name, logic in logics.items():
            logic.SetMRMLScene(scene)
            logic.SetMRMLApplicationLogic(application_logic)
            application_logic.SetModuleLogic(name, logic)
        return SceneContext(scene, logics["Segmentations"], (application_logic, *logics.values()))
