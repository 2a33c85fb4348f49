"""Settings that are chosen and have no effect beside others: refused, since the user expects one."""

from __future__ import annotations

from collections.abc import Iterable

from ..errors import ConfigError
from .schema import TrainConfig

# What a model, or the plan of another training, brings along.
_BROUGHT = (
    "network.", "data.spacing_mm", "data.size_kji", "data.intensity", "data.intensity_window", "data.patch_size_kji",
    "data.patch_voxels", "data.coarse_stage", "data.coarse_margin_mm",
)  # fmt: skip
_ERROR_MODEL = ("training.error_model_share", "training.error_tolerance_mm")
# Of `inference`, what a segmentation alone reads; a comparison of methods hands it on to its segmentations.
SEGMENTATION_ONLY = (
    "inference.caution", "inference.doubt", "inference.error_coverage", "inference.mirroring",
    "inference.rotated_views", "inference.largest_component",
)  # fmt: skip
_STEPS = ("training.pretraining_steps", "training.self_training_steps", "time")


def require_effect(config: TrainConfig, chosen: Iterable[str]) -> None:
    """Refuse settings of a training that were chosen by name and have no effect in it.

    What a preset sets may have no effect: the user did not choose it.

    Args:
        config: with all that was chosen.
        chosen: paths of the settings that a person has named.

    Raises:
        ConfigError: one of them has no effect; the other one is named.
    """
    names = list(chosen)
    for name in names:
        if name in SEGMENTATION_ONLY:
            raise ConfigError(f"'{name}' has no effect in a training; give it to the segmentation.")
    for void, why in _void(config):
        wrong = [name for name in names if name.startswith(void)]
        if wrong:
            raise ConfigError(f"'{wrong[0]}' has no effect where {why}; leave one of the two out.")


def _void(config: TrainConfig) -> Iterable[tuple[tuple[str, ...], str]]:
    """Settings that have no effect (a path, or its beginning), and why."""
    data, training = config.data, config.training
    conditions = [
        (training.initial_model, _BROUGHT, "'training.initial_model' brings the network and the preparation of scans"),
        (config.plan_of, (*_BROUGHT, *_STEPS), "'plan_of' takes over the whole plan of another training"),
        (training.method != "coranet", ("training.student_views",), f"'training.method' is '{training.method}'"),
        (training.error_model == "off", _ERROR_MODEL, "'training.error_model' is 'off'"),
        (
            training.pseudo_label_source == "teacher", ("training.refresh_steps",),
            "'training.pseudo_label_source' is 'teacher'",
        ),
        (training.snapshot_interval == 0, ("training.snapshot_case",), "'training.snapshot_interval' is 0"),
        (training.mixing == "none", ("training.mixing_share",), "'training.mixing' is 'none'"),
        (data.intensity == "zscore", ("data.intensity_window",), "'data.intensity' is 'zscore'"),
        (data.patch_size_kji is not None, ("data.patch_voxels",), "'data.patch_size_kji' gives the patch"),
        (data.coarse_stage == "off", ("data.coarse_margin_mm",), "'data.coarse_stage' is 'off'"),
    ]  # fmt: skip
    return [(names, why) for holds, names, why in conditions if holds]
