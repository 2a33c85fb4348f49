"""How much of the deep errors lies within the first places of an order, as the program finds them and in balls of 3 mm.

`error_model.py` measures it on the grid of the prepared scans.
"""

from __future__ import annotations

import numpy as np
import torch

from coranet.contract.doubt import HEADS
from coranet.contract.slide import steps_mm
from coranet.error_model import ErrorCase
from coranet.error_model.evidence import HEAD_CHANNELS
from coranet.inference.margins import HeadMargins, slide_margins
from coranet.inference.prediction import Prediction
from coranet.regions.chances import chance_of_errors
from coranet.regions.places import PlaceRule, find_places
from coranet.volume import Grid

PLACES, RADIUS_MM = (5, 10, 20), 3.0
_BALL_VOXELS = 1.5

Places = dict[str, list[float]]


def ball(spacing_dhw: tuple[float, float, float]) -> np.ndarray:
    """Voxels within the radius of a place, at least the neighbours across a face in the finest plane."""
    radius = max(RADIUS_MM, _BALL_VOXELS * min(spacing_dhw))
    reach = [int(radius // step) for step in spacing_dhw]
    axes = np.meshgrid(*(np.arange(-r, r + 1) * s for r, s in zip(reach, spacing_dhw, strict=True)), indexing="ij")
    return sum(axis**2 for axis in axes) <= radius**2


def ball_sums(values: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Sums over the ball around each voxel; `values` are 0 within a radius of their ends."""
    pads = [size // 2 for size in kernel.shape]
    weights = torch.from_numpy(kernel.astype(np.float32))[None, None]
    return torch.nn.functional.conv3d(torch.from_numpy(values)[None, None], weights, padding=pads)[0, 0].numpy()


def held_by_balls(score: np.ndarray, deep: np.ndarray, spacing_dhw: tuple[float, float, float]) -> list[float]:
    """Share of the deep errors within the first places of an order, whose scores are at least 0."""
    kernel = ball(spacing_dhw)
    reach = np.array(kernel.shape) // 2
    margin = 3 * reach
    left, found = (np.pad(array, [(m, m) for m in margin]) for array in (score.astype(np.float32), deep))
    inner = tuple(slice(m, m + size) for m, size in zip(margin, score.shape, strict=True))
    sums = ball_sums(left, kernel)
    total, held, shares = max(1, np.count_nonzero(deep)), 0, []
    for count in range(1, max(PLACES) + 1):
        centre = np.array(np.unravel_index(sums[inner].argmax(), score.shape)) + margin

        def around(times: int, centre: np.ndarray = centre) -> tuple[slice, ...]:
            return tuple(slice(c - times * r, c + times * r + 1) for c, r in zip(centre, reach, strict=True))

        held += np.count_nonzero(found[around(1)] & kernel)
        found[around(1)] &= ~kernel
        left[around(1)][kernel] = 0
        # Sums within two radii have changed; they are made of what lies within three.
        fresh = ball_sums(left[around(3)], kernel)
        sums[around(2)] = fresh[tuple(slice(r, size - r) for r, size in zip(reach, fresh.shape, strict=True))]
        if count in PLACES:
            shares.append(held / total)
    return shares


def held_by_visits(chance: np.ndarray, case: ErrorCase, deep: np.ndarray) -> list[float]:
    """Share of the deep errors within the first places as the program finds them, of a map in [0, 1]."""
    grid, labels = grid_of(case), case.segmentation.astype(np.uint16)
    count = np.count_nonzero(of_head(case, "caution_shift") < 0)
    flagged = chance >= max(np.partition(chance, -count, axis=None)[-count] if count else 1.0, 1e-6)
    # Another label, which nobody has, so that no part of it is an object.
    shown = Prediction(labels, labels, np.where(flagged, np.uint16(60_000), labels), flagged, chance)
    found = find_places("", shown, grid, 0.0, PlaceRule(least_ml=0.0), chance.astype(np.float32))
    left, kji, shares = deep.copy(), np.ogrid[tuple(map(slice, labels.shape))], [0.0]
    for region in found.list.regions:
        steps = steps_mm(grid.spacing_mm, region.radius_mm, region.slice_axis)
        axes = zip(kji, reversed(region.center_ijk), reversed(steps), strict=True)
        left &= sum(((index - at) * mm) ** 2 for index, at, mm in axes) > region.radius_mm**2
        shares.append(1 - np.count_nonzero(left) / max(1, np.count_nonzero(deep)))
    return [shares[min(count, len(shares) - 1)] for count in PLACES]


def of_head(case: ErrorCase, channel: str) -> np.ndarray:
    """A channel of the evidence, float32."""
    return case.evidence.channels[HEAD_CHANNELS.index(channel)].numpy().astype(np.float32)


def grid_of(case: ErrorCase) -> Grid:
    """The prepared scan's."""
    i, j, k = reversed(case.spacing_dhw)
    size = case.segmentation.shape[::-1]
    return Grid(size, (i, j, k), (0.0, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0))


def without_error_model(case: ErrorCase) -> np.ndarray:
    """What places are ordered by where there is no error model."""
    labels, second = case.segmentation.astype(np.uint16), case.evidence.runner_up.numpy().astype(np.uint16)
    sureness = np.clip(16 * of_head(case, "segmentation_margin"), 0, 255).astype(np.uint8)
    margins = slide_margins(labels, HeadMargins(sureness, second), grid_of(case))
    shown = Prediction(labels, labels, labels, labels, heads_map(case))
    return chance_of_errors(shown, grid_of(case), HEADS, margins)


def heads_map(case: ErrorCase) -> np.ndarray:
    """CoraNet's own uncertainty map."""
    return 1 / (1 + np.exp(of_head(case, "caution_shift")))


def unlearned(case: ErrorCase, deep: np.ndarray) -> dict[str, np.ndarray]:
    """Maps that need no error model, each in [0, 1]."""
    return {
        "entropy": np.minimum(of_head(case, "entropy"), 1),
        "CoraNet's map": heads_map(case) ** 4,
        "without an error model": without_error_model(case),
        "the truth": deep.astype(np.float32),
    }


def places_of(case: ErrorCase, deep: np.ndarray, maps: dict[str, np.ndarray]) -> Places:
    """Share of the deep errors within the first places, by map; with "mm" within balls of 3 mm."""
    visits = {name: held_by_visits(chance, case, deep) for name, chance in maps.items()}
    balls = {f"{name}, 3 mm": held_by_balls(chance, deep, case.spacing_dhw) for name, chance in maps.items()}
    return visits | balls


def mean_of(places: list[Places]) -> Places:
    """The mean over cases."""
    return {name: np.round(np.mean([of_case[name] for of_case in places], axis=0), 3).tolist() for name in places[0]}
