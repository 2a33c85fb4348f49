"""Networks: a shared encoder with three decoders."""

from .architecture import Architecture, plan_architecture
from .coranet import CoraNet, HeadLogits

__all__ = ["Architecture", "CoraNet", "HeadLogits", "plan_architecture"]
