"""Adapts the sources of Slicer 5.8.1 and vtkAddon to Debian 12's VTK 9.1 and ITK 5.2: `adapt_sources.py SOURCES`.

SOURCES holds the checkouts `Slicer`, `CTK` and `vtkAddon`. Each change replaces or drops a few lines; a second run
changes nothing. What is dropped is nothing that CoraNetSlicer uses: see the reason beside each change.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import NamedTuple


class Change(NamedTuple):
    """A pattern of a file and what takes its place."""

    path: str
    pattern: str
    replacement: str


_NEW_STATUS = r"#if \(VTK_MAJOR_VERSION >= 9 && VTK_MINOR_VERSION >= 0 && VTK_BUILD_VERSION >= 20210806\)"
_SURFACE_NETS = r"vtkNew<vtkSurfaceNets3D> surfaceNets;.*?surfaceNets->GetOutput\(\);"
_RULE = "Slicer/Libs/vtkSegmentationCore/vtkBinaryLabelmapToClosedSurfaceConversionRule.cxx"
_TABLES = "Slicer/Libs/MRML/Core/vtkMRMLTableStorageNode.cxx"
_PACKAGE = "Slicer/CMake/SlicerCPack.cmake"
_SLICES = "Slicer/Libs/MRML/DisplayableManager/vtkMRMLModelSliceDisplayableManager.cxx"
_VIEW = "Slicer/Libs/MRML/Widgets/qMRMLThreeDView.cxx"
_LATER_SHADOWS = "VolumeOpacityThreshold|IntensityScale|IntensityShift"
_COLUMN_INDEX = """#include <vtkDataSetAttributes.h>
static int columnIndexOf(vtkTable* table, const char* name)
{
  int index = -1;
  table->GetRowData()->GetAbstractArray(name, index);
  return index;
}
"""
_VTK_ITK = "Slicer/Libs/vtkITK/CMakeLists.txt"
_FACTORIES = "Slicer/Libs/ITKFactoryRegistration/CMakeLists.txt"

_CORE = "Slicer/Libs/vtkSegmentationCore/CMakeLists.txt"
_PROJECT, _OPTIMIZED = r"^(project\(\w+\)\n)(?!add_compile)", r"\1add_compile_options(-O2)\n"
_WRAP = "vtkAddon/CMake/vtkMacroKitPythonWrap.cmake"
_NOT_WITH_THIS_ITK = (
    "GrowCut|ITKDeprecated|vtkITKGrowCut.cxx|vtkITKLabelShapeStatistics.cxx|vtkITKMorphologicalContourInterpolator.cxx"
)
_NO_PREFIX = r"(    # Make sure that no prefix is set on the library\n)"
_NOT_YET = r"(?!    set_target_properties\(\$\{MY_KIT_NAME\}Python PROPERTIES UNITY)"
_UNITY = "    set_target_properties(${MY_KIT_NAME}Python PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 10)\n"

CHANGES = (
    # Debian's VTK has no Qt SQL support, and no wrapping information of its Qt libraries.
    Change("Slicer/CMakeLists.txt", r"^  (GUISupportQtSQL|RenderingQt|ViewsQt)\n", ""),
    Change(_WRAP, r"if\(_vtk_python_hierarchy_file\)", 'if(EXISTS "${_vtk_python_hierarchy_file}")'),
    # CTK's ITK library names a target that only find_package(ITK) makes.
    Change(
        "Slicer/CMakeLists.txt",
        r"(?<!ITKCommon\)\n)find_package\(CTK REQUIRED\)",
        "find_package(ITK REQUIRED COMPONENTS ITKCommon)\nfind_package(CTK REQUIRED)",
    ),
    # Remote modules that Debian's ITK is without: two file formats, three filters.
    Change(_FACTORIES, r"^  (MGHIO|IOScanco)\n", ""),
    Change(_VTK_ITK, rf"^  ({_NOT_WITH_THIS_ITK})\n", ""),
    # Interfaces that came after VTK 9.1.
    Change(
        "Slicer/Libs/vtkSegmentationCore/vtkSegmentationConverter.cxx", r"numberToString\.Convert\(", "numberToString("
    ),
    Change("Slicer/Libs/MRML/Core/vtkCacheManager.cxx", _NEW_STATUS, "#if 1"),
    Change("Slicer/Libs/MRML/Core/vtkArchive.cxx", _NEW_STATUS, "#if 1"),
    Change("Slicer/Libs/MRML/Core/vtkMRMLVolumeArchetypeStorageNode.cxx", _NEW_STATUS, "#if 1"),
    Change(_RULE, r"#include <vtkSurfaceNets3D\.h>\n", ""),
    Change(
        _RULE, _SURFACE_NETS, 'vtkErrorMacro("Surface nets need VTK 9.3"); (void)surfaceNetsSmoothing; return false;'
    ),
    Change(_TABLES, r"rawTable->GetColumnIndex\(", "columnIndexOf(rawTable, "),
    Change(_TABLES, r"(#include <vtkTable\.h>\n)(?!#include <vtkDataSetAttributes)", r"\1" + _COLUMN_INDEX),
    Change("Slicer/Libs/MRML/Logic/vtkMRMLSliceLogic.cxx", r"^\s+\w+->BlendAlpha(On|Off)\(\);", "  ;"),
    Change("Slicer/Libs/MRML/Widgets/qMRMLPlotView.cxx", r"->SetColorF\(", "->SetColor("),
    # Its cutter gives pieces, of which its geometry filter makes nothing: no model was drawn in slice views.
    Change(_SLICES, r"vtkGeometryFilter\b", "vtkCompositeDataGeometryFilter"),
    Change(_VIEW, r"^[^\n]*->SetDepthFormat\(vtkTextureObject::Fixed32\);\n", ""),
    Change(_VIEW, rf"d->ShadowsRenderPass->Get({_LATER_SHADOWS})\(\)", "0.0"),
    Change(_VIEW, rf"d->ShadowsRenderPass->Set({_LATER_SHADOWS})\((\w+)\);", r"(void)\2;"),
    # The plugins load forms; nobody starts Qt Designer by a launcher here.
    Change(_PACKAGE, r"if\(Slicer_BUILD_QT_DESIGNER_PLUGINS\)", "if(Slicer_USE_CTKAPPLAUNCHER)"),
    # Without command line modules there is no such library.
    Change("Slicer/Base/Python/mrml.py", r"^from MRMLCLIPython import \*\n", ""),
    # Loops over voxels: without optimization, what is measured would be the missing optimization.
    Change(_CORE, _PROJECT, _OPTIMIZED),
    Change("Slicer/Libs/MRML/Logic/CMakeLists.txt", _PROJECT, _OPTIMIZED),
    # Several wrappers in one translation unit: a third of the time.
    Change(_WRAP, _NO_PREFIX + _NOT_YET, r"\1" + _UNITY),
)
# Headers that came after ITK 5.2; CMake/ is in Slicer's include path.
HEADERS = {"Slicer/CMake/itkNamespace.h": "#pragma once\nnamespace itk\n{\n}\n"}


def adapt(sources: Path) -> list[str]:
    """Apply all changes; the paths of the files that became others."""
    changed = []
    for change in CHANGES:
        path = sources / change.path
        before = path.read_text(encoding="utf-8")
        after = re.sub(change.pattern, change.replacement, before, flags=re.MULTILINE | re.DOTALL)
        if after != before:
            path.write_text(after, encoding="utf-8")
            changed.append(change.path)
    for name, text in HEADERS.items():
        path = sources / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            changed.append(name)
    return changed


if __name__ == "__main__":
    print("\n".join(adapt(Path(sys.argv[1]))))
