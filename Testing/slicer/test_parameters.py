"""The state of the panel lives in the scene, and comes back with it."""

from __future__ import annotations

import pytest
import slicer

from CoraNetSlicerLib.core.parameters import Parameters


@pytest.fixture
def parameters(context) -> Parameters:
    return Parameters(context.scene)


def number_of_nodes(context) -> int:
    return context.scene.GetNumberOfNodesByClass("vtkMRMLScriptedModuleNode")


def volumes(context, *names: str) -> list:
    return [context.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name) for name in names]


class TestTextsAndValues:
    def test_reading_what_was_never_written_gives_the_default_and_changes_nothing(self, parameters, context):
        assert parameters.text("a") == ""
        assert parameters.text("a", "b") == "b"
        assert parameters.value("c", [1]) == [1]
        assert parameters.nodes("d") == []
        assert number_of_nodes(context) == 0

    def test_a_text_comes_back(self, parameters, context):
        parameters.set_text("folder", 'C:\\Jürgen & Söhne\\<心臓> "x"\n')
        assert Parameters(context.scene).text("folder") == 'C:\\Jürgen & Söhne\\<心臓> "x"\n'

    @pytest.mark.parametrize("value", [None, True, 0, 1.5, "", "ä", [1, [2]], {"a": {"b": None}}])
    def test_a_value_comes_back(self, parameters, value):
        parameters.set_value("x", value)
        assert parameters.value("x", "default") == value

    def test_an_empty_text_reads_as_the_default(self, parameters):
        parameters.set_text("x", "something")
        parameters.set_text("x", "")
        assert parameters.text("x", "default") == "default"

    def test_what_was_spoiled_by_hand_reads_as_the_default(self, parameters):
        parameters.set_text("x", "{no json")
        assert parameters.value("x", 3) == 3

    def test_there_is_one_node_however_much_is_written(self, parameters, context):
        parameters.set_text("a", "1")
        Parameters(context.scene).set_value("b", 2)
        parameters.set_nodes("c", volumes(context, "v"))
        assert number_of_nodes(context) == 1

    def test_another_modules_parameters_are_left_alone(self, parameters, context):
        other = context.scene.AddNewNodeByClass("vtkMRMLScriptedModuleNode", "Other")
        parameters.set_text("a", "1")
        assert number_of_nodes(context) == 2
        assert other.GetParameterCount() == 0


class TestNodes:
    def test_nodes_come_back_in_order(self, parameters, context):
        first, second, third = volumes(context, "1", "2", "3")
        parameters.set_nodes("cases", [third, first, second])
        assert parameters.nodes("cases") == [third, first, second]

    def test_setting_nodes_replaces_those_before(self, parameters, context):
        first, second = volumes(context, "1", "2")
        parameters.set_nodes("cases", [first, second])
        parameters.set_nodes("cases", [second])
        assert parameters.nodes("cases") == [second]
        parameters.set_nodes("cases", [])
        assert parameters.nodes("cases") == []

    def test_roles_do_not_mix(self, parameters, context):
        first, second = volumes(context, "1", "2")
        parameters.set_nodes("a", [first])
        parameters.set_nodes("b", [second])
        assert (parameters.nodes("a"), parameters.nodes("b")) == ([first], [second])

    def test_a_deleted_node_is_left_out(self, parameters, context):
        first, second = volumes(context, "1", "2")
        parameters.set_nodes("cases", [first, second])
        context.scene.RemoveNode(first)
        assert parameters.nodes("cases") == [second]


class TestTheScene:
    def test_it_is_saved_and_restored_with_the_scene(self, parameters, context, awkward_path):
        (volume,) = volumes(context, "the volume")
        parameters.set_text("name", "Jürgen's <model>")
        parameters.set_value("settings", {"a": [1, 2.5, None], "b": '„quoted“ "text"'})
        parameters.set_nodes("cases", [volume])
        path = str(awkward_path / "scene.mrml")
        context.scene.SetURL(path)
        assert context.scene.Commit(path)
        other = slicer.vtkMRMLScene()
        other.SetURL(path)
        assert other.Connect()
        again = Parameters(other)
        assert again.text("name") == "Jürgen's <model>"
        assert again.value("settings") == {"a": [1, 2.5, None], "b": '„quoted“ "text"'}
        assert [node.GetName() for node in again.nodes("cases")] == ["the volume"]

    def test_an_imported_scene_brings_its_own_state(self, parameters, context, awkward_path):
        parameters.set_text("name", "saved")
        path = str(awkward_path / "scene.mrml")
        context.scene.SetURL(path)
        context.scene.Commit(path)
        other = slicer.vtkMRMLScene()
        own = Parameters(other)
        own.set_text("name", "mine")
        other.SetURL(path)
        other.Import()
        assert own.text("name") == "saved"
        assert other.GetNumberOfNodesByClass("vtkMRMLScriptedModuleNode") == 1

    def test_after_the_scene_was_closed_everything_is_as_at_first(self, parameters, context):
        parameters.set_text("name", "x")
        context.scene.Clear(0)
        assert parameters.text("name", "default") == "default"
        parameters.set_text("name", "y")
        assert parameters.text("name") == "y"
