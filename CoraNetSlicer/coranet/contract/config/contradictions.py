"""Settings that are chosen and have no effect beside others: refused, since whoever has typed them expects one."""

from __future__ import annotations

from collections.abc import Iterable

from ..errors import ConfigError
from .schema import TrainConfig

# What a model, or the plan of another training, brings along.
_BROUGHT = (
    "network.", "data.spacing_mm", "data.size_kji", "data.intensity", "data.intensity_window", "data.patch_size_kji",
    "data.patch_voxels", "data.coarse_stage", "data.coarse_margin_mm",
)  # fmt: skip
_STEPS = ("training.pretraining_steps", "training.self_training_steps", "time")


def require_effect(config: TrainConfig, chosen: Iterable[str]) -> None:
    """Refuse settings that were chosen by name and that the others make void.

    What a preset sets may be void: nobody has typed it.

    Args:
        config: with all that was chosen.
        chosen: paths of the settings that a person has named.

    Raises:
        ConfigError: one of them has no effect; the other one is named.
    """
    names = list(chosen)
    for void, why in _void(config):
        wrong = [name for name in names if name.startswith(void)]
        if wrong:
            raise ConfigError(f"'{wrong[0]}' has no effect where {why}; leave one of the two out.")


def _void(config: TrainConfig) -> Iterable[tuple[tuple[str, ...], str]]:
    """Settings that have no effect (a path, or its beginning), and why."""
    data = config.data
    if config.training.initial_model:
        yield _BROUGHT, "'training.initial_model' brings the network and the preparation of its scans"
    if config.plan_of:
        yield (*_BROUGHT, *_STEPS), "'plan_of' takes over the whole plan of another training"
    if config.training.method != "coranet":
        yield ("training.student_views",), f"'training.method' is '{config.training.method}'"
    if data.intensity == "zscore":
        yield ("data.intensity_window",), "'data.intensity' is 'zscore'"
    if data.patch_size_kji is not None:
        yield ("data.patch_voxels",), "'data.patch_size_kji' gives the patch"
    if data.coarse_stage == "off":
        yield ("data.coarse_margin_mm",), "'data.coarse_stage' is 'off'"
