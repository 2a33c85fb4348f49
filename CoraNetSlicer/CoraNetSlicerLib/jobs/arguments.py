"""What the console may hand over in many forms - a preset's name, a dictionary, a handle, a path - in one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any, Union

from coranet.contract import Job, JobKind, ModelCard
from coranet.contract.config import DEFAULT_PRESET, SegmentConfig, TrainConfig, require_effect
from coranet.contract.errors import ConfigError, CoraNetError, JobError, ModelError

from .handle import JobHandle

TrainSettings = Union[None, str, Mapping[str, Any], TrainConfig]
SegmentSettings = Union[None, Mapping[str, Any], SegmentConfig]
AnyJob = Union[JobHandle, Job, str, Path]


def train_config(settings: TrainSettings) -> TrainConfig:
    """The configuration that `train` uses for its `settings`.

    Raises:
        ConfigError: an unknown preset or setting, or a value out of range.
    """
    if isinstance(settings, TrainConfig):
        return settings
    if settings is None or isinstance(settings, str):
        return TrainConfig.from_preset(settings or DEFAULT_PRESET)
    if not isinstance(settings, Mapping):
        raise ConfigError(
            f"settings must be a preset's name or a dictionary, got {type(settings).__name__}; give one of them."
        )
    overrides = dict(settings)
    config = TrainConfig.from_preset(overrides.pop("preset", DEFAULT_PRESET), overrides)
    require_effect(config, overrides)
    return config


def segment_config(model: AnyJob, settings: SegmentSettings = None) -> SegmentConfig:
    """The configuration that `segment` uses for its model and `settings`; with surfaces, unless they say otherwise.

    Raises:
        ConfigError: an unknown setting, or a value out of range.
        ModelError: there is no model there (yet).
    """
    if not isinstance(settings, (SegmentConfig, Mapping, type(None))):
        raise ConfigError(f"settings must be a dictionary, got {type(settings).__name__}; give one.")
    named = settings.model if isinstance(settings, SegmentConfig) else (settings or {}).get("model")
    if named and Path(named).expanduser().absolute() != _model_folder(model):
        raise ConfigError(
            f"the settings name the model '{named}', the call '{_model_folder(model)}'; name one of them."
        )
    if isinstance(settings, SegmentConfig):
        return replace(settings, model=str(_model_folder(model)))
    return SegmentConfig(model=str(_model_folder(model)), surfaces=True).with_overrides(settings or {})


def as_path(given: Any, error: type[CoraNetError], what: str) -> Path:
    """The path that a call was given; raises an error of a type where it is none, with what was expected in words."""
    if not isinstance(given, (str, PathLike)) or not str(given):
        raise error(f"expected {what}, got {given!r}; give its path.")
    return Path(given).expanduser()


def _model_folder(model: AnyJob) -> Path:
    if isinstance(model, (JobHandle, Job)):
        folder = model.folder
    else:
        folder = as_path(model, ModelError, "a training or the folder of a model").absolute()
    if not folder.is_dir():
        raise ModelError(f"there is no model folder '{folder}'; choose a trained model or the folder of a training.")
    if not Job.exists(folder):
        return folder
    job = Job.open(folder)
    if job.kind is not JobKind.TRAIN:
        raise ModelError(f"'{folder}' is a segmentation, expected a training; choose the training that made its model.")
    if not job.model_folder.is_dir():
        raise ModelError(f"the training in '{folder}' has made no model yet; wait until it is finished.")
    return folder


def job_of(job: AnyJob) -> Job:
    """The job directory of a handle or folder; raises JobError where the folder holds no job of this version."""
    if isinstance(job, JobHandle):
        return job.job
    return job if isinstance(job, Job) else Job.open(as_path(job, JobError, "a job"))


def channels_of_model(model: Union[str, Path]) -> tuple[str, ...]:
    """Names of the channels of a model; () where its card cannot be read: the engine reports the reason."""
    try:
        return ModelCard.read(model).channels
    except ModelError:
        return ()
