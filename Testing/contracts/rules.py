"""The import rules of docs/explanation/architecture.md, each as a function from files to violations."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Iterator

from source_tree import Finding, SourceFile, is_below

SLICER_ONLY = ("slicer", "qt", "ctk", "CoraNetSlicerLib", "CoraNetSlicer")
CONTRACT = ("coranet.contract",)
SURFACE = "coranet.closed_surface"
# What a hand movement or an earlier review does to label maps.
NUMPY_FILES = ("coranet.boundary_slide", "coranet.regions.carry_over")
# What looks at DICOM headers and at lengths and checksums of files, and what that is made of.
_SERIES_FILES = (
    "dicom_folder", "dicom_parts", "dicom_slices", "dicom_frames", "dicom_header", "grid", "notes",
    "integrity", "nifti_header", "text_headers",
)  # fmt: skip
SERIES = tuple(f"coranet.volume.{name}" for name in _SERIES_FILES)
# Files that may import qt, by the last part of their names; `panel.py` puts the sections together.
WIDGET_FILES = (
    "application", "section", "panel", "closing", "pages", "strip_section",
    "cases_table", "overlays_section", "teach_back_section",
)  # fmt: skip
DOORWAY = "CoraNetSlicer"
PURE = ("coranet.networks", "coranet.losses", "coranet.uncertainty", "coranet.schedules")

JOB_FILE_NAMES = (
    "job.json", "config.json", "datalist.json", "events.jsonl", "process.json", "log.txt", "metrics.json",
    "metrics.csv", "last.pt", "best.pt", "result.json", "segmentation.nrrd", "conservative.nrrd", "radical.nrrd",
    "uncertain.nrrd", "uncertainty.nrrd", "plan.json", "checkpoints", "snapshots", "predictions",
    "margin.nrrd", "second.nrrd", "regions.json", "regions.nrrd", "review.json", "reviewed.nrrd", "known.nrrd",
)  # fmt: skip
_JOB_FILE = re.compile(r"(^|[/\\])(" + "|".join(re.escape(name) for name in JOB_FILE_NAMES) + r")$")
_IO_MODULES = (
    "io",
    "pathlib",
    "os",
    "shutil",
    "tempfile",
    "json",
    "csv",
    "pickle",
    "SimpleITK",
    "coranet.contract",
    "coranet.volume",
)
_IO_CALLS = (
    "open",
    "torch.save",
    "torch.load",
    "numpy.save",
    "numpy.load",
    "np.save",
    "np.load",
    "np.loadtxt",
    "np.savetxt",
)
_WORLD_TEXT = re.compile(r"\b(RAS|LPS)\b")
_CONVERSION = re.compile(r"(ras_?(to|2)_?lps|lps_?(to|2)_?ras)", re.IGNORECASE)


def engine_reaches_into_slicer(files: Iterable[SourceFile]) -> Iterator[Finding]:
    """Rule 1: the engine imports nothing of Slicer's; vtk where surfaces are made alone."""
    for file in files:
        for imported in file.imports():
            vtk_is_allowed = file.module in ("coranet.surfaces", SURFACE)
            forbidden = SLICER_ONLY if vtk_is_allowed else (*SLICER_ONLY, "vtk", "vtkmodules")
            if is_below(imported.name, forbidden):
                yield imported


def slow_imports(files: Iterable[SourceFile]) -> Iterator[Finding]:
    """Rule 1: what takes as long to import as PyTorch is imported by the function that needs it."""
    slow = ("monai", "matplotlib", "scipy.stats", "scipy.signal")
    for file in files:
        at_once = [node for node in file.tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
        imports = SourceFile(file.path, file.module, ast.Module(at_once, [])).imports()
        yield from (finding for finding in imports if is_below(finding.name, slow))


def comparisons_are_reached_into(files: Iterable[SourceFile]) -> Iterator[Finding]:
    """Rule 1, last part: engine and Slicer side run without coranet_experiments; one file asks for it by name."""
    for file in files:
        if not is_below(file.module, ("coranet_experiments",)):
            yield from (finding for finding in file.imports() if is_below(finding.name, ("coranet_experiments",)))
            if file.module != "coranet.experiments":
                yield from (
                    finding for finding in file.texts() if finding.name.partition(".")[0] == "coranet_experiments"
                )


def slicer_side_reaches_into_engine(files: Iterable[SourceFile]) -> Iterator[Finding]:
    """Rule 2, first half: the Slicer side imports no heavy library, of the engine what needs none alone."""
    for file in files:
        for imported in file.imports():
            heavy = is_below(imported.name, ("torch", "torchvision", "monai", "SimpleITK", "scipy"))
            # The version and the name of the package itself are no part of the workshop.
            harmless = (*CONTRACT, SURFACE, *NUMPY_FILES, *SERIES, "coranet.__version__")
            workshop = is_below(imported.name, ("coranet",)) and imported.name != "coranet"
            if heavy or (workshop and not is_below(imported.name, harmless)):
                yield imported


def contract_needs_more_than_python(files: Iterable[SourceFile]) -> Iterator[Finding]:
    """Rule 2, second half: the contract imports the standard library, itself and the version alone."""
    allowed = (*CONTRACT, "coranet.__version__")
    for file in files:
        for imported in file.imports():
            top = imported.name.partition(".")[0]
            if top not in sys.stdlib_module_names and not is_below(imported.name, allowed):
                yield imported


def surface_needs_more_than_vtk(files: Iterable[SourceFile]) -> Iterator[Finding]:
    """Rule 2, last part: what makes a closed surface runs in Slicer too; it imports numpy and vtk alone."""
    for file in files:
        if file.module == SURFACE:
            tops = {*sys.stdlib_module_names, "numpy", "vtkmodules"}
            yield from (finding for finding in file.imports() if finding.name.partition(".")[0] not in tops)


def label_maps_need_more_than_numpy(files: Iterable[SourceFile]) -> Iterator[Finding]:
    """Rule 2, last part: what a hand movement does to label maps runs in Slicer too; it imports numpy alone."""
    allowed = (*sys.stdlib_module_names, "numpy", *CONTRACT, *NUMPY_FILES)
    for file in files:
        if file.module in NUMPY_FILES:
            yield from (finding for finding in file.imports() if not is_below(finding.name, allowed))


def series_needs_more_than_pydicom(files: Iterable[SourceFile]) -> Iterator[Finding]:
    """Rule 2, last part: what looks at DICOM headers runs in Slicer too; it imports numpy and pydicom alone."""
    allowed = (*sys.stdlib_module_names, "numpy", "pydicom", *CONTRACT, *SERIES)
    for file in files:
        if file.module in SERIES:
            yield from (finding for finding in file.imports() if not is_below(finding.name, allowed))


def _is_widget_file(file: SourceFile) -> bool:
    return file.module.startswith("CoraNetSlicerLib.") and file.module.rpartition(".")[2] in WIDGET_FILES


def qt_outside_the_widget(files: Iterable[SourceFile]) -> Iterator[Finding]:
    """Rule 3, first half: only the widget files import qt or ctk."""
    for file in files:
        if not _is_widget_file(file):
            yield from (finding for finding in file.imports() if is_below(finding.name, ("qt", "ctk", "PythonQt")))


def running_slicer_outside_the_doorway(files: Iterable[SourceFile]) -> Iterator[Finding]:
    """Rule 3, second half: only the widget files and the doorway touch the running application."""
    application = ("slicer.mrmlScene", "slicer.app", "slicer.modules", "slicer.util")
    for file in files:
        if _is_widget_file(file) or file.module == DOORWAY:
            continue
        yield from (finding for finding in file.attribute_chains() if is_below(finding.name, application))
        yield from (finding for finding in file.imports() if is_below(finding.name, application))


def presenters_need_the_application(files: Iterable[SourceFile]) -> Iterator[Finding]:
    """Rule 3, last part: presenters run without Slicer; nodes reach them through the files of the scene."""
    for file in files:
        if file.module.rpartition(".")[2] == "presenter" or file.module.endswith("_presenter"):
            application = ("slicer", "qt", "ctk", "vtk", "vtkmodules")
            yield from (finding for finding in file.imports() if is_below(finding.name, application))


def job_files_named_elsewhere(files: Iterable[SourceFile]) -> Iterator[Finding]:
    """Rule 4, first part: only coranet/contract knows the names of a job's files."""
    for file in files:
        if not is_below(file.module, ("coranet.contract",)):
            yield from (text for text in file.texts() if _JOB_FILE.search(text.name))


def images_read_elsewhere(files: Iterable[SourceFile]) -> Iterator[Finding]:
    """Rule 4, second part: only volume/ imports SimpleITK and pydicom."""
    for file in files:
        if not is_below(file.module, ("coranet.volume",)):
            yield from (finding for finding in file.imports() if is_below(finding.name, ("SimpleITK", "pydicom")))


def devices_asked_elsewhere(files: Iterable[SourceFile]) -> Iterator[Finding]:
    """Rule 4, third part: only devices.py asks torch which accelerators there are."""
    accelerators = ("torch.cuda", "torch.backends", "torch.mps")
    for file in files:
        if file.module != "coranet.machine.devices":
            yield from (finding for finding in file.attribute_chains() if is_below(finding.name, accelerators))
            yield from (finding for finding in file.imports() if is_below(finding.name, accelerators))


def input_and_output_in_pure_files(files: Iterable[SourceFile]) -> Iterator[Finding]:
    """Rule 5: networks, losses, uncertainty and schedules do no I/O."""
    for file in files:
        harmless = ("coranet.contract.codec", "coranet.contract.config", "coranet.contract.errors")
        imports = (finding for finding in file.imports() if not is_below(finding.name, harmless))
        yield from (finding for finding in imports if is_below(finding.name, _IO_MODULES))
        yield from (finding for finding in file.calls() if finding.name in _IO_CALLS)


def world_axes_flipped_by_hand(files: Iterable[SourceFile]) -> Iterator[Finding]:
    """Rule 6: nothing converts between RAS and LPS; both sides meet in NRRD files.

    A conversion shows itself as a text that names the axes, as a function named for it, or as a sign list (-1, -1, 1).
    """
    for file in files:
        yield from (text for text in file.texts() if _WORLD_TEXT.search(text.name))
        yield from (name for name in file.defined_names() if _CONVERSION.search(name.name))
        yield from file.number_lists(starting_with=(-1, -1, 1))
