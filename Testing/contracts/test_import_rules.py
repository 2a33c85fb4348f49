"""The walls of the house. Each message names file, line and what stands there."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import rules
from source_tree import SourceFile, as_lines, files_in

ENGINE = ("coranet",)
COMPARISONS = ("coranet_experiments",)
SLICER_SIDE = ("CoraNetSlicer.py", "CoraNetSlicerLib")
CONTRACT_FILES = ("coranet/contract", "coranet/__init__.py")
PURE_FILES = (
    "coranet/networks",
    "coranet/losses",
    "coranet/losses.py",
    "coranet/uncertainty.py",
    "coranet/schedules.py",
)


def present(*names: str) -> list[SourceFile]:
    files = files_in(*names)
    assert files, f"none of {names} exists; the rule would test nothing"
    return files


def test_the_engine_never_reaches_into_slicer():
    violations = as_lines(rules.engine_reaches_into_slicer(present(*ENGINE)))
    assert not violations, f"rule 1, the engine must run without Slicer:\n{violations}"


def test_a_job_does_not_wait_for_what_it_does_not_need():
    violations = as_lines(rules.slow_imports(present(*ENGINE)))
    assert not violations, f"rule 1, each start of a job would take seconds longer; import inside:\n{violations}"


def test_comparisons_are_a_part_that_others_do_without():
    violations = as_lines(rules.comparisons_are_reached_into(present(*ENGINE, *SLICER_SIDE)))
    assert not violations, f"rule 1, Slicer's extension does not carry coranet_experiments:\n{violations}"


def test_comparisons_need_the_engine_alone():
    violations = as_lines(rules.engine_reaches_into_slicer(present(*COMPARISONS)))
    assert not violations, f"rule 1, comparisons run without Slicer:\n{violations}"


def test_the_slicer_side_sees_the_contract_alone():
    violations = as_lines(rules.slicer_side_reaches_into_engine(present(*SLICER_SIDE)))
    assert not violations, f"rule 2, heavy libraries stay in the background process:\n{violations}"


def test_the_contract_needs_the_standard_library_alone():
    violations = as_lines(rules.contract_needs_more_than_python(present(*CONTRACT_FILES)))
    assert not violations, f"rule 2, the contract is imported inside Slicer:\n{violations}"


def test_what_makes_a_surface_needs_vtk_alone():
    violations = as_lines(rules.surface_needs_more_than_vtk(present("coranet/closed_surface.py")))
    assert not violations, f"rule 2, it is imported inside Slicer:\n{violations}"


def test_what_moves_boundaries_needs_numpy_alone():
    violations = as_lines(
        rules.label_maps_need_more_than_numpy(present("coranet/boundary_slide.py", "coranet/regions"))
    )
    assert not violations, f"rule 2, it is imported inside Slicer:\n{violations}"


def test_what_looks_at_dicom_headers_needs_pydicom_alone():
    violations = as_lines(rules.series_needs_more_than_pydicom(present("coranet/volume")))
    assert not violations, f"rule 2, it is imported inside Slicer:\n{violations}"


def test_looking_at_dicom_headers_loads_no_heavy_library():
    program = "import sys; from coranet.volume.dicom_folder import parts_of; print(*sys.modules)"
    engine = next(iter(present("coranet/__init__.py"))).path.parents[1]
    outcome = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": str(engine)}, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert not {"SimpleITK", "torch", "scipy", "monai"} & set(outcome.stdout.split())


def test_only_the_widget_files_import_qt():
    violations = as_lines(rules.qt_outside_the_widget(present(*SLICER_SIDE)))
    assert not violations, f"rule 3, what imports qt cannot be tested without Slicer:\n{violations}"


def test_only_the_doorway_and_the_widget_touch_the_running_application():
    violations = as_lines(rules.running_slicer_outside_the_doorway(present(*SLICER_SIDE)))
    assert not violations, f"rule 3, scene and logics come in by argument:\n{violations}"


def test_presenters_need_no_application():
    violations = as_lines(rules.presenters_need_the_application(present(*SLICER_SIDE)))
    assert not violations, f"rule 3, a presenter works in plain Python:\n{violations}"


def test_only_the_contract_names_the_files_of_a_job():
    violations = as_lines(rules.job_files_named_elsewhere(present(*ENGINE, *COMPARISONS, *SLICER_SIDE)))
    assert not violations, f"rule 4, ask coranet.contract for the path:\n{violations}"


def test_only_one_file_reads_and_writes_images():
    violations = as_lines(rules.images_read_elsewhere(present(*ENGINE, *COMPARISONS, *SLICER_SIDE)))
    assert not violations, f"rule 4, volume/ reads and writes images:\n{violations}"


def test_only_one_file_asks_for_accelerators():
    violations = as_lines(rules.devices_asked_elsewhere(present(*ENGINE, *COMPARISONS)))
    assert not violations, f"rule 4, devices.py knows the accelerators:\n{violations}"


def test_what_computes_does_no_input_and_output():
    violations = as_lines(rules.input_and_output_in_pure_files(present(*PURE_FILES)))
    assert not violations, f"rule 5, networks, losses, uncertainty and schedules do no I/O:\n{violations}"


def test_world_axes_are_flipped_nowhere():
    violations = as_lines(rules.world_axes_flipped_by_hand(present(*ENGINE, *COMPARISONS, *SLICER_SIDE)))
    assert not violations, f"rule 6, both sides meet in NRRD files:\n{violations}"


BROKEN = [
    (rules.engine_reaches_into_slicer, "coranet.data.cases", "def f():\n    from slicer import app"),
    (rules.engine_reaches_into_slicer, "coranet.regions", "import vtkmodules.all"),
    (rules.engine_reaches_into_slicer, "coranet.command_line.cli", "import importlib\nimportlib.import_module('qt')"),
    (rules.slow_imports, "coranet.metrics", "from monai.metrics import compute_dice"),
    (rules.comparisons_are_reached_into, "coranet.evaluation", "def f():\n    from coranet_experiments import plan"),
    (rules.comparisons_are_reached_into, "coranet.command_line.cli", "load('coranet_experiments.command')"),
    (rules.slicer_side_reaches_into_engine, "CoraNetSlicerLib.logic", "import torch"),
    (rules.slicer_side_reaches_into_engine, "CoraNetSlicerLib.logic", "from coranet import inference"),
    (rules.slicer_side_reaches_into_engine, "CoraNetSlicerLib.logic", "from coranet.volume import read_image"),
    (rules.contract_needs_more_than_python, "coranet.contract.files", "import numpy"),
    (rules.contract_needs_more_than_python, "coranet.contract.files", "from ..volume import read_image"),
    (rules.surface_needs_more_than_vtk, "coranet.closed_surface", "import torch"),
    (rules.surface_needs_more_than_vtk, "coranet.closed_surface", "from .volume import Grid"),
    (rules.label_maps_need_more_than_numpy, "coranet.boundary_slide", "import scipy.ndimage"),
    (rules.label_maps_need_more_than_numpy, "coranet.regions.carry_over", "from .components import components"),
    (rules.series_needs_more_than_pydicom, "coranet.volume.dicom_parts", "import SimpleITK"),
    (rules.series_needs_more_than_pydicom, "coranet.volume.grid", "from .reading import read_image"),
    (rules.qt_outside_the_widget, "CoraNetSlicerLib.logic", "def f():\n    import qt"),
    (rules.running_slicer_outside_the_doorway, "CoraNetSlicerLib.logic", "import slicer\nslicer.mrmlScene.GetNodes()"),
    (rules.running_slicer_outside_the_doorway, "CoraNetSlicerLib.logic", "from slicer import util"),
    (rules.job_files_named_elsewhere, "coranet.command_line.cli", "path = folder / 'events.jsonl'"),
    (rules.presenters_need_the_application, "CoraNetSlicerLib.data.presenter", "import slicer"),
    (rules.job_files_named_elsewhere, "CoraNetSlicerLib.logic", "path = f'{folder}/predictions'"),
    (rules.images_read_elsewhere, "coranet.data.cases", "import SimpleITK as sitk"),
    (rules.devices_asked_elsewhere, "coranet.setup.doctor", "import torch\nprint(torch.cuda.is_available())"),
    (rules.devices_asked_elsewhere, "coranet.setup.doctor", "from torch.backends import mps"),
    (rules.input_and_output_in_pure_files, "coranet.losses", "def f(path):\n    return open(path)"),
    (rules.input_and_output_in_pure_files, "coranet.networks.vnet", "from ..contract import Job"),
    (rules.world_axes_flipped_by_hand, "coranet.regions", "matrix = diag([-1, -1, 1, 1])"),
    (rules.world_axes_flipped_by_hand, "coranet.regions", "def ras_to_lps(point): ..."),
    (rules.world_axes_flipped_by_hand, "coranet.regions", "space = 'LPS'"),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "module", "text"), BROKEN, ids=lambda value: getattr(value, "__name__", None))
def test_each_rule_notices_that_it_is_broken(rule, module, text):
    assert list(rule([SourceFile.from_text(text, module)])), f"{rule.__name__} accepted: {text}"


ALLOWED = [
    (rules.engine_reaches_into_slicer, "coranet.surfaces", "import vtkmodules.vtkFiltersCore"),
    (rules.engine_reaches_into_slicer, "coranet.closed_surface", "import vtkmodules.vtkFiltersCore"),
    (rules.slow_imports, "coranet.metrics", "def f():\n    from monai.metrics import compute_dice"),
    (rules.comparisons_are_reached_into, "coranet_experiments.report", "from coranet_experiments import plan"),
    (rules.comparisons_are_reached_into, "coranet.experiments", "PACKAGE = 'coranet_experiments'"),
    (rules.surface_needs_more_than_vtk, "coranet.closed_surface", "import math, numpy\nfrom vtkmodules import a"),
    (rules.slicer_side_reaches_into_engine, "CoraNetSlicerLib.logic", "from coranet.contract import Job\nimport vtk"),
    (rules.slicer_side_reaches_into_engine, "CoraNetSlicerLib.logic", "from coranet import closed_surface"),
    (rules.slicer_side_reaches_into_engine, "CoraNetSlicerLib.core", "from coranet.volume.dicom_folder import a"),
    (rules.series_needs_more_than_pydicom, "coranet.volume.dicom_parts", "import numpy, pydicom\nfrom .grid import by"),
    (rules.contract_needs_more_than_python, "coranet.contract.files", "from .errors import A"),
    (rules.qt_outside_the_widget, "CoraNetSlicerLib.train.section", "import qt"),
    (rules.running_slicer_outside_the_doorway, "CoraNetSlicerLib.logic", "import slicer\nslicer.vtkMRMLScene()"),
    (rules.job_files_named_elsewhere, "coranet.contract.directory", "path = folder / 'events.jsonl'"),
    (rules.job_files_named_elsewhere, "coranet.command_line.cli", '"""Writes events.jsonl"""\ntext = "see log.txt"'),
    (rules.world_axes_flipped_by_hand, "CoraNetSlicerLib.logic", "volume.GetIJKToRASMatrix(matrix)\nindex = array[-1]"),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "module", "text"), ALLOWED, ids=lambda value: getattr(value, "__name__", None))
def test_no_rule_forbids_what_is_allowed(rule, module, text):
    assert not as_lines(rule([SourceFile.from_text(text, module)]))
