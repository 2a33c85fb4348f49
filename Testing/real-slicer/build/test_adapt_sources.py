"""Each change finds its place once, and a second run changes nothing."""

from __future__ import annotations

import pytest
from adapt_sources import CHANGES, HEADERS, adapt

LINES = """project(vtkSegmentationCore)
if(Slicer_BUILD_QT_DESIGNER_PLUGINS)
if(_vtk_python_hierarchy_file)
find_package(CTK REQUIRED)
  GUISupportQtSQL
  MGHIO
  GrowCut
  vtkITKGrowCut.cxx
  geometryStream << numberToString.Convert(1.0);
#if (VTK_MAJOR_VERSION >= 9 && VTK_MINOR_VERSION >= 0 && VTK_BUILD_VERSION >= 20210806)
#include <vtkSurfaceNets3D.h>
    vtkNew<vtkSurfaceNets3D> surfaceNets;
    processingResult = surfaceNets->GetOutput();
#include <vtkTable.h>
  int index = rawTable->GetColumnIndex(column->GetName());
    blend->BlendAlphaOff();
#include <vtkGeometryFilter.h>
    plot->SetColorF(1.0, 0.0, 0.0);
from MRMLCLIPython import *
  this->ShadowsRenderPass->SetDepthFormat(vtkTextureObject::Fixed32);
  return d->ShadowsRenderPass->GetVolumeOpacityThreshold();
  d->ShadowsRenderPass->SetVolumeOpacityThreshold(opacityThreshold);
    # Make sure that no prefix is set on the library
"""


@pytest.fixture
def sources(tmp_path):
    for path in (*(change.path for change in CHANGES), *HEADERS):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    for change in CHANGES:
        (tmp_path / change.path).write_text(LINES, encoding="utf-8")
    return tmp_path


def test_every_change_is_made_once(sources):
    changed = adapt(sources)
    assert len(changed) == len(CHANGES) + len(HEADERS)
    assert adapt(sources) == []


def test_only_lines_that_name_what_is_missing_go(sources):
    adapt(sources)
    text = (sources / "Slicer/Libs/vtkITK/CMakeLists.txt").read_text(encoding="utf-8")
    assert "GrowCut" not in text.replace("MGHIO", "") and "MGHIO" in text
    top = (sources / "Slicer/CMakeLists.txt").read_text(encoding="utf-8")
    assert "find_package(ITK REQUIRED COMPONENTS ITKCommon)\nfind_package(CTK REQUIRED)\n  MGHIO" in top
