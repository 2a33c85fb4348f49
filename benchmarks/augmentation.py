"""Batched augmentation of the engine against MONAI's transforms patch by patch: same patches, settings and machine.

    python benchmarks/augmentation.py [--patch 32,48,40] [--batch 4] [--repeats 20] [--threads 2]

MONAI: a chain of RandAffined, RandFlipd and five changes of intensity for each patch, which is how the engine
did it first. Ours: one call for the batch, with low resolution besides, which the chain has not. Patches are cut before
and count for neither. Repeats are interleaved; wall time and processor time are medians, and only their ratio says
something on a machine that has other work to do.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import monai.transforms as mt
import numpy as np
import torch
from monai.data import set_track_meta
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "CoraNetSlicer"))

from coranet.contract.config import AugmentationConfig
from coranet.data.augmentation import Augmentation

SPACING_DHW = (1.0, 1.0, 1.0)


def monai_chain(config: AugmentationConfig, patch_size: tuple[int, int, int]) -> tuple[mt.Compose, mt.Compose]:
    """Changes of place for image and labels, and changes of intensity for the image."""
    keys = ["image", "labels"]
    turn = mt.RandAffined(
        keys, prob=1.0, rotate_range=[math.radians(config.rotation_degrees)] * 3, scale_range=[config.scaling] * 3,
        spatial_size=patch_size, mode=["bilinear", "nearest"], padding_mode="border",
    )  # fmt: skip
    sigma = (0.0, config.blur_voxels)
    intensity = [
        mt.RandGaussianSmooth(sigma_x=sigma, sigma_y=sigma, sigma_z=sigma, prob=0.2),
        mt.RandAdjustContrast(prob=0.5, gamma=(1 - config.gamma, 1 + config.gamma)),
        mt.RandScaleIntensity(factors=config.brightness, prob=0.5),
        mt.RandShiftIntensity(offsets=config.brightness, prob=0.5),
        mt.RandGaussianNoise(prob=0.5, std=config.noise, sample_std=True),
    ]
    flips = [mt.RandFlipd(keys, prob=0.5, spatial_axis=axis) for axis in range(3)]
    return mt.Compose([turn, *flips]), mt.Compose(intensity)


class Patches:
    """The patches of a step, changed in either way."""

    def __init__(self, patch_size: tuple[int, int, int], batch: int) -> None:
        config = AugmentationConfig(flip_axes=("L", "P", "S"))
        self._ours = Augmentation(config, patch_size, SPACING_DHW)
        self._geometric, self._intensity = monai_chain(config, patch_size)
        generator = torch.Generator().manual_seed(0)
        self._images = torch.randn((batch, 1, *self._ours.source_size), generator=generator)
        self._labels = (self._images > 0).to(torch.uint8)

    def by_monai(self, step: int) -> Tensor:
        """One patch after the other."""
        changed = []
        for number, (image, labels) in enumerate(zip(self._images, self._labels, strict=True)):
            seed = 1000 * step + number
            placed = self._geometric.set_random_state(seed)({"image": image, "labels": labels.float()})
            changed.append(torch.as_tensor(self._intensity.set_random_state(seed)(placed["image"])))
        return torch.stack(changed)

    def by_ours(self, step: int) -> Tensor:
        """All at once."""
        changes = [self._ours.draw(np.random.default_rng([0, 1, step, number])) for number in range(len(self._images))]
        maps = np.stack([change.spatial for change in changes])
        images, _ = self._ours.spatial.apply(self._images, self._labels, maps)
        return self._ours.intensity.apply(images, [change.intensity[0] for change in changes])


def milliseconds(work: Callable[[int], Any], step: int) -> tuple[float, float]:
    """Wall time and processor time of one call."""
    wall, processor = time.perf_counter(), time.process_time()
    work(step)
    return 1e3 * (time.perf_counter() - wall), 1e3 * (time.process_time() - processor)


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--patch", default="32,48,40")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    set_track_meta(False)
    depth, height, width = (int(size) for size in options.patch.split(","))
    patches = Patches((depth, height, width), options.batch)
    ways = {"MONAI, patch by patch": patches.by_monai, "ours, batched": patches.by_ours}
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for step in range(options.repeats + 2):
        for name, work in ways.items():
            times[name].append(milliseconds(work, step))
    medians = {
        name: [statistics.median(column) for column in zip(*rows[2:], strict=True)] for name, rows in times.items()
    }
    print(f"{options.batch} patches of {depth} x {height} x {width}, {options.threads} threads, ms a batch")
    for name, (wall, processor) in medians.items():
        print(f"{name:24} wall {wall:8.1f}   processor {processor:8.1f}")
    before, after = medians.values()
    print(f"{'ratio':24} wall {after[0] / before[0]:8.2f}   processor {after[1] / before[1]:8.2f}")


if __name__ == "__main__":
    main()
