"""A training that goes on from an earlier model: what it takes from it, and the history that its model keeps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from ..contract import Datalist, PredictionFiles, RegionList, Review
from ..contract.channels import require_all_channels, require_same_channels
from ..contract.config import TrainConfig
from ..contract.errors import DataError
from ..contract.segment_names import in_words
from ..data.case_labels import with_same_classes
from ..model_package import ModelPackage

# What of a model's card the later models keep.
_KEPT_KEYS = ("created", "steps", "trained_on", "validation_dice", "reviewed_regions")


def initial_model(config: TrainConfig) -> ModelPackage | None:
    """The model from which a training goes on; None: it starts from random weights.

    Raises:
        ModelError: there is no finished model, or its card is damaged.
    """
    chosen = config.training.initial_model
    return ModelPackage.read(chosen) if chosen else None


def with_labels_of(initial: ModelPackage, datalist: Datalist) -> Datalist:
    """The cases with the labels of the model, with its colours, and its names of the channels.

    Labels are the same by their names; where the datalist has other values for them, its label maps are read so.

    Raises:
        DataError: names of labels are others, so that the network's classes would mean something else; or there are
            other channels.
    """
    for case in datalist.cases:
        require_all_channels(case.id, case.images, initial.channels)
    require_same_channels(datalist.channels, initial.channels, "the datalist")
    matched = with_same_classes(datalist, initial.labels)
    if matched is None:
        raise DataError(
            f"the model '{initial.folder}' has the labels {in_words(initial.labels)}, the datalist names "
            f"{in_words(datalist.labels)}; give the datalist those of the model, or start without "
            "training.initial_model."
        )
    channels = initial.channels if len(initial.channels) > 1 else ()
    return replace(matched, channels=channels)


def history_after(initial: ModelPackage | None) -> tuple[dict[str, Any], ...]:
    """The models from which a training comes, oldest first, as `ModelCard.history` reads them."""
    if initial is None:
        return ()
    return (*(initial.card.get("history") or ()), {key: initial.card.get(key) for key in _KEPT_KEYS})


def reviewed_regions(datalist: Datalist) -> int | None:
    """How many decisions on regions stand behind the labels that are known in part; None: unknown.

    They are counted in the reviews beside the masks.

    Raises:
        JobError: a review or its list of regions is damaged.
    """
    folders = {Path(case.known).parent for case in datalist.cases if case.known}
    counts = [count for count in map(_decisions, sorted(folders)) if count is not None]
    return sum(counts) if counts else None


def _decisions(folder: Path) -> int | None:
    files = PredictionFiles(folder)
    if not (files.regions.is_file() and files.review.is_file()):
        return None
    return len(Review.read(files.review, RegionList.read(files.regions)).decisions)
