"""The shape of a network, stored with its model."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

from ..contract.codec import from_json, to_json
from ..contract.errors import ModelError

Size = tuple[int, int, int]

_CHOICES: dict[str, tuple[str, ...]] = {
    "backbone": ("unet", "vnet", "resnet18"), "normalization": ("batch", "instance"),
    "decoders": ("three", "branches", "classifiers"), "stem": ("full", "folded"),
}  # fmt: skip
_LIMITS = {"classes": (2, 1 << 16), "base_filters": (1, 1 << 10), "in_channels": (1, 1000)}
_MOST_LEVELS, _MOST_VOXELS = 12, 1 << 12
# What models are that were written before they could be anything else.
_OF_OLDER_MODELS = {"in_channels": 1, "stem": "full"}


@dataclass(frozen=True)
class Architecture:
    """Everything needed to build a network; stored in the model.

    Attributes:
        backbone: "unet", "vnet" or "resnet18".
        classes: number of classes with background.
        base_filters: channels at full resolution.
        normalization: "batch" or "instance".
        patch_size_kji: patch the network is trained and applied on; divisible by the product of the strides.
        strides: for each step down, how much each axis (k, j, i) shrinks: 1 or 2.
        kernels: for each level, size of the convolutions: 1 or 3 along each axis.
        decoders: "three" full decoders, or one with three "branches" or "classifiers".
        dropout: share of feature channels left out while training.
        slice_axis: 0, 1 or 2 of (D, H, W), along which a 2D network sees one slice at a time; None: a 3D network.
        in_channels: images of a scan that the network sees together.
        stem: "full": the first level is at full resolution; "folded": blocks of voxels are folded into channels in its
            place, and logits unfolded, so that the network begins with the second level.
    """

    backbone: str
    classes: int
    base_filters: int
    normalization: str
    patch_size_kji: Size
    strides: tuple[Size, ...]
    kernels: tuple[Size, ...]
    decoders: str = "three"
    dropout: float = 0.0
    slice_axis: int | None = None
    in_channels: int = 1
    stem: str = "full"

    @property
    def block(self) -> Size:
        """Voxels along D, H, W that are folded into channels; 1, 1, 1 where none are."""
        return self.strides[0] if self.stem == "folded" and self.strides else (1, 1, 1)

    @property
    def behind_stem(self) -> Architecture:
        """The network that sees what is folded, and gives logits to be unfolded; itself where nothing is folded."""
        voxels = product(self.block)
        if voxels == 1:
            return self
        return replace(
            self, stem="full", base_filters=2 * self.base_filters, strides=self.strides[1:], kernels=self.kernels[1:],
            in_channels=self.in_channels * voxels, classes=self.classes * voxels,
        )  # fmt: skip

    @property
    def factors(self) -> Size:
        """How much finer the finest level is than the coarsest along D, H, W; sizes must be multiples of it."""
        depth, height, width = (product(stride[axis] for stride in self.strides) for axis in range(3))
        return depth, height, width

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return dict(to_json(self))

    @staticmethod
    def from_dict(content: dict[str, Any]) -> Architecture:
        """The inverse of `to_dict`.

        Raises:
            ModelError: a key is missing or unknown.
        """
        try:
            # No defaults but these: an older model would be read as something that it is not.
            content = {**_OF_OLDER_MODELS, **content}
            names = [field.name for field in fields(Architecture)]
            unknown = sorted(set(content) - set(names))
            if unknown:
                raise ValueError(f"'{unknown[0]}' is not known")
            architecture = from_json(Architecture, content, needed=names)
            architecture._require_usable()
            return architecture
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"the model's architecture cannot be read ({error}); train the model again.") from error

    def _require_usable(self) -> None:
        """Raise ValueError where a file describes no valid network, or one that no memory would hold."""
        choices = {name: getattr(self, name) for name in _CHOICES}
        limits = {name: getattr(self, name) for name in _LIMITS}
        wrong = [f"{name} {value!r}" for name, value in choices.items() if value not in _CHOICES[name]]
        wrong += [f"{name} {value!r}" for name, value in limits.items() if not _is_within(value, *_LIMITS[name])]
        wrong += [f"step {stride}" for stride in self.strides if not _is_triple(stride, 1, 2)]
        wrong += [f"kernel {kernel}" for kernel in self.kernels if not _is_triple(kernel, 1, 3)]
        if len(self.kernels) != len(self.strides) + 1 or len(self.kernels) > _MOST_LEVELS:
            wrong.append(f"{len(self.kernels)} levels with {len(self.strides)} steps between them")
        if not _is_triple(self.patch_size_kji, 1, _MOST_VOXELS):
            wrong.append(f"patch {self.patch_size_kji}")
        elif not wrong and any(size % step for size, step in zip(self.patch_size_kji, self.factors, strict=True)):
            wrong.append(f"patch {self.patch_size_kji}, which is not a multiple of {self.factors}")
        if self.slice_axis is not None and not _is_within(self.slice_axis, 0, 2):
            wrong.append(f"slice axis {self.slice_axis!r}")
        if isinstance(self.dropout, bool) or not isinstance(self.dropout, (int, float)) or not 0 <= self.dropout < 1:
            wrong.append(f"dropout {self.dropout!r}")
        if wrong:
            raise ValueError(", ".join(wrong))


def _is_within(value: Any, least: int, most: int) -> bool:
    return type(value) is int and least <= value <= most


def _is_triple(values: Any, least: int, most: int) -> bool:
    return len(values) == 3 and all(_is_within(value, least, most) for value in values)


def product(values: Any) -> int:
    """Product of whole numbers."""
    result = 1
    for value in values:
        result *= value
    return result
