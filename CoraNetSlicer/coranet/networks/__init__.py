"""Networks: a shared encoder with three heads."""

from .architecture import Architecture
from .blocks import FeatureDropout
from .coranet import CoraNet, HeadLogits
from .mirroring import MirroredView, MirrorMean
from .placement import place
from .planning import backbone_reason, plan_architecture
from .rotation import RotationMean

__all__ = [
    "Architecture",
    "CoraNet",
    "FeatureDropout",
    "HeadLogits",
    "MirrorMean",
    "MirroredView",
    "RotationMean",
    "backbone_reason",
    "place",
    "plan_architecture",
]
