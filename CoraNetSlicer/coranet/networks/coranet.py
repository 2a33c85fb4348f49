"""CoraNet's network: one encoder, three heads (Shi et al. 2021, section III-B)."""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from ..contract.errors import ModelError
from .architecture import Architecture
from .blocks import FeatureDropout, Projection, convolution_block, extent
from .decoder import Decoder
from .folding import fold, unfold
from .resnet import ResNetEncoder
from .slices import from_slices, to_slices
from .unet import UNetDecoder, UNetEncoder
from .vnet import VNetDecoder, VNetEncoder

_BACKBONES: dict[str, tuple[type[nn.Module], type[nn.Module]]] = {
    "unet": (UNetEncoder, UNetDecoder),
    "vnet": (VNetEncoder, VNetDecoder),
    "resnet18": (ResNetEncoder, VNetDecoder),
}


class HeadLogits(NamedTuple):
    """Logits of the three heads, each (B, K, D, H, W); class 0 is background."""

    segmentation: Tensor
    conservative: Tensor
    radical: Tensor


class CoraNet(nn.Module):
    """Shared encoder; a segmentation, a conservative and a radical head.

    Attributes:
        encoder: from patches to features at each resolution.
        decoder: what the heads share after the encoder: nothing, or one decoder.
        decoders: of each head: a decoder, a branch of convolutions at full resolution or nothing, and the classifier.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        if architecture.backbone not in _BACKBONES:
            raise ModelError(
                f"the backbone '{architecture.backbone}' is unknown to this version; "
                f"expected one of {', '.join(_BACKBONES)}; train the model again."
            )
        encoder, decoder = _BACKBONES[architecture.backbone]
        self.slice_axis = architecture.slice_axis
        self._block = extent(architecture, architecture.block)
        architecture = architecture.behind_stem
        self.encoder = encoder(architecture)
        self.dropout = FeatureDropout(architecture.dropout)
        shared = architecture.decoders != "three"
        self.decoder = decoder(architecture) if shared else nn.Identity()
        self.decoders = nn.ModuleDict(
            {
                head: nn.Sequential(
                    _own_part(architecture) if shared else decoder(architecture),
                    FeatureDropout(architecture.dropout),
                    Classifier(architecture),
                )
                for head in HeadLogits._fields
            }
        )

    def forward(self, image: Tensor) -> HeadLogits:
        """(B, C, D, H, W) -> logits of the three heads."""
        if self.slice_axis is None:
            return self._heads(image)
        logits = self._heads(to_slices(image, self.slice_axis))
        return HeadLogits(*(from_slices(head, self.slice_axis, len(image)) for head in logits))

    def decoder_of(self, head: str) -> Decoder:
        """The decoder whose features a head reads: its own, or the shared one."""
        shared: nn.Module = self.decoder
        decoder = self.decoders[head][0] if isinstance(shared, nn.Identity) else shared  # type: ignore[index]
        return cast(Decoder, decoder)

    def _heads(self, image: Tensor) -> HeadLogits:
        is_folded = max(self._block) > 1
        *fine, coarsest = self.encoder(fold(image, self._block) if is_folded else image)
        features = self.decoder([*fine, self.dropout(coarsest)])
        heads = (self.decoders[head](features) for head in HeadLogits._fields)
        return HeadLogits(*(unfold(head, self._block) if is_folded else head for head in heads))


def _own_part(architecture: Architecture) -> nn.Module:
    """What a head has of its own behind a shared decoder, before its classifier."""
    if architecture.decoders == "classifiers":
        return nn.Identity()
    filters = architecture.base_filters
    kernel = extent(architecture, architecture.kernels[0])
    return convolution_block(filters, filters, kernel, 1, architecture.normalization)


class Classifier(Projection):
    """From features to logits, always in float32: logits of half precision tie, and ties cannot be ordered by doubt."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__(architecture.base_filters, architecture.classes, extent(architecture, (1, 1, 1)))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, ...) -> (B, K, ...), float32."""
        with torch.autocast(x.device.type, enabled=False):
            return super().forward(x.float())
