"""The configuration of a job. Standard library only; forms and command lines are built from what stands here."""

from .contradictions import SEGMENTATION_ONLY, require_effect
from .presets import DEFAULT_PRESET, preset_names
from .schema import (
    AugmentationConfig,
    DataConfig,
    InferenceConfig,
    MachineConfig,
    NetworkConfig,
    SegmentConfig,
    TrainConfig,
    TrainingConfig,
)
from .settings import Setting

__all__ = [
    "DEFAULT_PRESET",
    "SEGMENTATION_ONLY",
    "AugmentationConfig",
    "DataConfig",
    "InferenceConfig",
    "MachineConfig",
    "NetworkConfig",
    "SegmentConfig",
    "Setting",
    "TrainConfig",
    "TrainingConfig",
    "preset_names",
    "require_effect",
]
