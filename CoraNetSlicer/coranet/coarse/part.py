"""What a model needs of its coarse network besides the weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..contract.codec import from_json, to_json
from ..contract.errors import ModelError
from ..data.preprocessing import Preprocessing
from ..networks import Architecture


@dataclass(frozen=True)
class CoarsePart:
    """The coarse network of a model, and how its boxes are made.

    Attributes:
        architecture: of the network; two classes, all structures are its foreground.
        preprocessing: of its input.
        margin_mm: along L, P, S, what is added at each side of what the network finds.
        least_mm3: connected parts of what it finds that are smaller are left out.
        caution: where the dial of its radical head stands: natural logarithm of how many times costlier missed
            foreground is held than in training.
        least_total_mm3: where all that it finds in a scan is smaller, it has found something else.
    """

    architecture: Architecture
    preprocessing: Preprocessing
    margin_mm: tuple[float, float, float]
    least_mm3: float = 0.0
    caution: float = 0.0
    least_total_mm3: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return dict(to_json(self))

    @staticmethod
    def from_dict(content: Mapping[str, Any]) -> CoarsePart:
        """The inverse of `to_dict`.

        Raises:
            ModelError: a key is missing or of another kind.
        """
        try:
            read = {
                "preprocessing": Preprocessing.from_dict(content["preprocessing"]),
                "architecture": Architecture.from_dict(content["architecture"]),
            }
            part = from_json(CoarsePart, {**content, **read}, needed=["least_mm3"])
            if min(part.margin_mm) < 0:
                raise ValueError(f"margin {part.margin_mm}")
            return part
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ModelError(f"the model's coarse network cannot be read ({error}); train the model again.") from error
