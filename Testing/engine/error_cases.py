"""Cases whose errors are known: a ball within a ball, seen by three heads that err where noise misleads them."""

from __future__ import annotations

import numpy as np
import torch
from scipy.ndimage import gaussian_filter

from coranet.error_model import ErrorCase, Evidence
from coranet.networks import HeadLogits

SIZE = (12, 20, 18)


def error_case(seed: int, size: tuple[int, int, int] = SIZE, spacing_dhw=(1.0, 1.0, 1.0)) -> ErrorCase:
    """A case of three classes."""
    random = np.random.default_rng(seed)
    axes = np.meshgrid(*(np.arange(count) - count / 2 for count in size), indexing="ij")
    distance = np.sqrt(sum(axis**2 for axis in axes))
    radius = 0.4 * min(size) + random.uniform(-0.5, 0.5)
    truth = (distance < radius).astype(np.uint8) + (distance < radius / 2)
    noise = [gaussian_filter(random.normal(size=size), 1.5) * 10 for _ in range(2)]

    def head(shift: float) -> torch.Tensor:
        classes = [
            distance - radius + noise[0] + shift,
            radius - distance,
            radius / 2 - 2 * distance + radius / 2 + noise[1],
        ]
        return torch.from_numpy(np.stack(classes).astype(np.float32))

    image = torch.from_numpy((truth + random.normal(0, 0.2, size)).astype(np.float32))[None]
    evidence = Evidence.of_rows(HeadLogits(head(0), head(0.7), head(-0.7)), image)
    return ErrorCase(evidence, evidence.classes.numpy(), truth, None, spacing_dhw)
