"""CoraNet's network: one encoder, three decoders (Shi et al. 2021, section III-B)."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from ..errors import ModelError
from .architecture import Architecture
from .vnet import VNetDecoder, VNetEncoder


class HeadLogits(NamedTuple):
    """Logits of the three heads, each (B, K, D, H, W); class 0 is background."""

    segmentation: Tensor
    conservative: Tensor
    radical: Tensor


class CoraNet(nn.Module):
    """Shared encoder; independent decoders for the segmentation, the conservative and the radical head."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        if architecture.backbone != "vnet":
            raise ModelError(f"the backbone '{architecture.backbone}' is unknown to this version; expected 'vnet'.")
        self.encoder = VNetEncoder(architecture)
        self.decoders = nn.ModuleDict({head: VNetDecoder(architecture) for head in HeadLogits._fields})

    def forward(self, image: Tensor) -> HeadLogits:
        """(B, 1, D, H, W) -> logits of the three heads."""
        features = self.encoder(image)
        return HeadLogits(*(self.decoders[head](features) for head in HeadLogits._fields))
