"""The phantom among the sample data of the application."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..core.resources import resource_path
from ..core.translation import _

CATEGORY = "CoraNet"
NAME = "CoraNet phantom"


def register_phantom(sample_data_logic: Any, load: Callable[[], object]) -> None:
    """Offer the phantom in the module Sample Data.

    Args:
        sample_data_logic: the class SampleData.SampleDataLogic.
        load: makes and loads it; nothing is downloaded.
    """
    if hasattr(sample_data_logic, "registerCustomSampleDataCategory"):  # Slicer 5.12
        sample_data_logic.registerCustomSampleDataCategory(CATEGORY, title=_("CoraNet"))
    sample_data_logic.registerCustomSampleDataSource(
        category=CATEGORY,
        sampleName=NAME,
        uris="",
        fileNames="",
        nodeNames="",
        thumbnailFileName=str(resource_path("Icons/CoraNetPhantom.png")),
        customDownloader=lambda _source: load(),
    )
