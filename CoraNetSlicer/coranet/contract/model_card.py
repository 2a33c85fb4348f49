"""The card of a trained model: the part of its folder that can be read without torch."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Optional

from .channels import names_of
from .codec import from_json
from .datalist import Label
from .directory import Job
from .doubt import ErrorModelCard
from .errors import DataError, JobError, ModelError, reason_of
from .files import read_json
from .known_time import known_time
from .status import JobKind

MODEL_SCHEMA_VERSION = 1
_MOST_CHANNELS = 1000
_CARD = "model.json"
_KEYS = {"schema_version", "engine_version", "architecture", "preprocessing", "labels", "card"}


@dataclass(frozen=True)
class EarlierModel:
    """A model from which a later one went on.

    Attributes:
        created: seconds since 1970; 0 if unknown.
        steps: of its training; 0 if unknown.
        trained_on: number of cases by role, as in `ModelCard`.
        validation_dice: by class name, as in `ModelCard`; on its own validation cases, which may be others.
        reviewed_regions: how many decisions on regions it has learned from; None if unknown.
    """

    created: float = 0.0
    steps: int = 0
    trained_on: Mapping[str, int] = field(default_factory=dict)
    validation_dice: Mapping[str, Optional[float]] = field(default_factory=dict)
    reviewed_regions: Optional[int] = None

    @property
    def mean_dice(self) -> Optional[float]:
        """Mean of the validation Dice over the classes that were validated; None if there is none."""
        return _mean(self.validation_dice)


@dataclass(frozen=True)
class ModelCard:
    """What a person wants to know of a model before using it.

    Attributes:
        folder: of the model.
        labels: the classes that it finds.
        spacing_mm: voxel spacing left-right, front-back, up-down that scans are resampled to.
        validation_dice: by class name; None where a class was in no validation case; empty if nothing was validated.
        trained_on: number of cases by role ("training", "unlabeled", "validation"); of the training cases, "partial"
            have labels that are known in part.
        steps: of the training; 0 if unknown.
        method, preset: how it was trained; "" if unknown.
        created: seconds since 1970; 0 if unknown.
        content: all of the file.
        history: the models from which this one comes, oldest first, without itself; () if it started from nothing.
        before: validation Dice, by class name, of the model that it started from, on the same validation cases as
            `validation_dice`; empty if there is none.
        reviewed_regions: how many decisions on regions of its partial cases it has learned from; None if unknown.
        time: how long its training was asked to take, such as "1 h"; "" if it had numbers of steps.
        plan: what was trained in that time, and why, in sentences; () if nothing was planned.
        channels: names of the images of a scan that it sees together, in their order; generic where they have no names.
        single_component: names of the classes that are one connected component in every case with a whole label that
            it was trained on; () if unknown.
        hangs_together: whether all structures together are one component in each of these cases; not where there is
            but one, or if it is unknown.
        mirrored_axes: of "L", "P", "S" those along which patches of its training were mirrored; () if none or unknown.
        rotation_degrees: by "L", "P", "S" how far patches of its training were rotated about that axis; empty if they
            were not, or if it is unknown.
        has_coarse_stage: whether it first finds the structures in the whole scan, and looks closely there alone.
        scans: by role hashes (`ScanIdentity.voxels`) of the scans of its training, and as "earlier" those of the models
            from which it went on; empty if unknown.
        cautions: what should be known of the cases of its training, in words without their names.
        validation_caution: why its validation Dice is too good; "" if it is not.
        error_model: what its error model has learned from, and promises; None: it has none.
    """

    folder: Path
    labels: tuple[Label, ...]
    spacing_mm: tuple[float, float, float]
    validation_dice: Mapping[str, Optional[float]] = field(default_factory=dict)
    trained_on: Mapping[str, int] = field(default_factory=dict)
    steps: int = 0
    method: str = ""
    preset: str = ""
    created: float = 0.0
    content: Mapping[str, Any] = field(default_factory=dict)
    history: tuple[EarlierModel, ...] = ()
    before: Mapping[str, Optional[float]] = field(default_factory=dict)
    reviewed_regions: Optional[int] = None
    time: str = ""
    plan: tuple[str, ...] = ()
    channels: tuple[str, ...] = ("channel 1",)
    single_component: tuple[str, ...] = ()
    hangs_together: bool = False
    mirrored_axes: tuple[str, ...] = ()
    rotation_degrees: Mapping[str, float] = field(default_factory=dict)
    has_coarse_stage: bool = False
    scans: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    cautions: tuple[str, ...] = ()
    validation_caution: str = ""
    error_model: Optional[ErrorModelCard] = None

    @staticmethod
    def read(model_or_job: str | Path) -> ModelCard:
        """Read the card of a model.

        Args:
            model_or_job: folder of a model, or of the training job that made it.

        Raises:
            ModelError: there is no finished model, or its card is damaged.
        """
        folder = model_folder(model_or_job)
        try:
            content = read_json(model_card_path(folder))
        except JobError as error:
            raise damaged_model(folder, error) from error
        version = content.get("schema_version") if isinstance(content, dict) else None
        if version not in (None, MODEL_SCHEMA_VERSION):
            raise ModelError(
                f"the model '{folder}' cannot be read: it was written by another version of CoraNet (schema "
                f"{version!r}, expected {MODEL_SCHEMA_VERSION}); use that version, or train again."
            )
        try:
            return _card(folder, content)
        except (JobError, DataError, ModelError, TypeError, KeyError, ValueError, AttributeError) as error:
            raise damaged_model(folder, error) from error

    @property
    def mean_dice(self) -> Optional[float]:
        """Mean of the validation Dice over the classes that were validated; None if there is none."""
        return _mean(self.validation_dice)

    @property
    def mean_before(self) -> Optional[float]:
        """The same for the model that it started from."""
        return _mean(self.before)


def model_card_path(folder: Path) -> Path:
    """Where the card of a model lies; written last: where it is, the model is whole."""
    return folder / _CARD


def model_folder(model_or_job: str | Path) -> Path:
    """The absolute folder of a finished model.

    Raises:
        ModelError: there is none; the message says what is missing.
    """
    path = Path(model_or_job).absolute()
    if model_card_path(path).is_file():
        return path
    if not path.exists():
        raise ModelError(f"the model '{path}' does not exist; correct the path.")
    if not Job.exists(path):
        raise ModelError(f"'{path}' is neither a model nor a training job; choose a folder that holds {_CARD}.")
    try:
        job = Job.open(path)
    except JobError as error:
        raise ModelError(str(error)) from error
    if job.kind is not JobKind.TRAIN:
        raise ModelError(f"'{path}' is a segmentation, expected a training; choose the training that made its model.")
    if not model_card_path(job.model_folder).is_file():
        raise ModelError(
            f"the training in '{path}' has not finished, so there is no model yet; let it finish or resume it."
        )
    return job.model_folder


def model_fingerprint(folder: Path) -> str:
    """The identity of a finished model, wherever its folder is copied to: its card holds the time of creation.

    Raises:
        ModelError: the card cannot be read.
    """
    try:
        return hashlib.sha256(model_card_path(folder).read_bytes()).hexdigest()[:32]
    except OSError as error:
        raise damaged_model(folder, error) from error


def damaged_model(folder: Path, error: Exception) -> ModelError:
    """The sentence for a card that cannot be read."""
    return ModelError(
        f"the model '{folder}' cannot be read ({reason_of(error)}); copy its folder again, or train again."
    )


def _card(folder: Path, content: Any) -> ModelCard:
    missing = sorted(_KEYS - set(content if isinstance(content, dict) else ()))
    if missing:
        raise ValueError(f"{_CARD} lacks {', '.join(missing)}")
    card = from_json(
        ModelCard,
        {
            **content["card"],
            "folder": str(folder),
            "labels": content["labels"],
            "spacing_mm": content["preprocessing"]["spacing_mm"],
            "channels": channels_of_model(content),
            "has_coarse_stage": bool(content.get("coarse")),
            "error_model": content.get("error_model"),
            "content": content,
        },
    )
    if min(card.spacing_mm) <= 0:
        raise ValueError(f"a spacing must be larger than 0, got {card.spacing_mm}")
    return replace(
        card,
        mirrored_axes=tuple(axis for axis in card.mirrored_axes if axis in ("L", "P", "S")),
        created=known_time(card.created),
        history=tuple(replace(model, created=known_time(model.created)) for model in card.history),
    )


def channels_of_model(content: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the channels of a model, from the content of its file; models of before there were channels have one."""
    names = tuple(content["card"].get("channels") or ())
    count = int(content["architecture"].get("in_channels", 1))
    if not all(isinstance(name, str) for name in names) or not 1 <= count <= _MOST_CHANNELS:
        raise ValueError("the names of its channels cannot be read")
    return names_of(names, count)


def _mean(dice: Mapping[str, Optional[float]]) -> Optional[float]:
    known = [value for value in dice.values() if value is not None]
    return sum(known) / len(known) if known else None
