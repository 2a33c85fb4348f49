"""Cases of one kind in a scene, and what the checks find in them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scene_builders import (
    LIVER_MASK,
    SHAPE_KJI,
    TUMOR_MASK,
    add_segmentation,
    add_volume,
    rotated_ijk_to_ras,
)

from CoraNetSlicerLib.core.parameters import Parameters
from CoraNetSlicerLib.data.presenter import CasesPresenter

SEGMENTS = {"Liver": LIVER_MASK, "Tumor": TUMOR_MASK}


def grid(scale=1.0) -> np.ndarray:
    return rotated_ijk_to_ras() @ np.diag([scale, scale, scale, 1.0])


def noise(seed, mean=100.0, spread=20.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, spread, SHAPE_KJI).astype(np.float32)


def presenter_of_good_cases(context) -> Iterator[CasesPresenter]:
    """Four labeled cases and three unlabeled ones of one kind."""
    for number in range(4):
        volume = add_volume(context, f"L{number}", noise(number), grid())
        add_segmentation(context, f"L{number} truth", volume, SEGMENTS)
    for number in range(3):
        add_volume(context, f"U{number}", noise(10 + number), grid())
    presenter = CasesPresenter(context, Parameters(context.scene))
    presenter.add_scene_volumes()
    yield presenter
    presenter.close()


def node(cases, name):
    return next(row.volume for row in cases.rows if row.name == name)


def truth(cases, name):
    return next(row.segmentation for row in cases.rows if row.name == name)


def found(cases):
    """(row's name, severity, short words) of each finding."""
    names = {row.key: row.name for row in cases.rows} | {"": ""}
    return [(names[finding.key], finding.severity.value, finding.short) for finding in cases.report.findings]


def text(cases):
    """The one finding's sentence."""
    (finding,) = cases.report.findings
    assert finding.text.endswith(".")
    assert finding.text[0].isupper() or not finding.text[0].isalpha()
    return finding.text
