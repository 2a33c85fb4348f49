"""A trained model as a folder: weights and a card that says what they are for."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from . import __version__
from .data.preprocessing import Preprocessing
from .devices import Device
from .errors import DataError, JobError, ModelError
from .job import Job, Label, read_json, write_json_atomic
from .networks import Architecture, CoraNet, place
from .tensors import load_tensors, save_tensors

SCHEMA_VERSION = 1
_CARD, _WEIGHTS = "model.json", "weights.pt"
_KEYS = {"schema_version", "engine_version", "architecture", "preprocessing", "labels", "card"}


@dataclass(frozen=True)
class ModelPackage:
    """What a model needs besides its weights.

    Attributes:
        folder: where it lies.
        architecture: of the network.
        preprocessing: of its input.
        labels: of its classes 1, 2, ... in this order.
        card: for people: validation_dice {name: value}, trained_on {role: number of cases}, steps, preset, seed ...
    """

    folder: Path
    architecture: Architecture
    preprocessing: Preprocessing
    labels: tuple[Label, ...]
    card: dict[str, Any] = field(default_factory=dict)

    def write(self, network: nn.Module) -> None:
        """Write weights, then the card: where the card is, the model is whole.

        Raises:
            StorageError: it could not be written.
        """
        save_tensors(self.folder / _WEIGHTS, network.state_dict())
        content = {
            "schema_version": SCHEMA_VERSION,
            "engine_version": __version__,
            "architecture": self.architecture.to_dict(),
            "preprocessing": self.preprocessing.to_dict(),
            "labels": [asdict(label) for label in self.labels],
            "card": self.card,
        }
        write_json_atomic(self.folder / _CARD, content)

    @staticmethod
    def read(model_or_job: str | Path) -> ModelPackage:
        """Read the card of a model.

        Args:
            model_or_job: folder of a model, or of the training job that made it.

        Raises:
            ModelError: there is no finished model, or its card is damaged.
        """
        folder = _model_folder(Path(model_or_job))
        try:
            return _package(folder, read_json(folder / _CARD))
        except (JobError, DataError, ModelError, TypeError, KeyError, ValueError) as error:
            raise ModelError(f"the model '{folder}' cannot be read: {error}") from error

    def load_network(self, device: Device) -> nn.Module:
        """The network with its weights, ready to be applied.

        Raises:
            ModelError: the weights are missing, damaged, or of another network.
        """
        network = CoraNet(self.architecture)
        try:
            network.load_state_dict(load_tensors(self.folder / _WEIGHTS))
        except (JobError, RuntimeError) as error:
            reason = str(error).splitlines()[0].rstrip(":")  # torch goes on with each weight's name
            raise ModelError(
                f"the weights in '{self.folder}' cannot be used ({reason}); copy the model folder anew."
            ) from error
        return place(network, device).eval()


def _package(folder: Path, content: Any) -> ModelPackage:
    if not isinstance(content, dict) or set(content) != _KEYS or content["schema_version"] != SCHEMA_VERSION:
        version = content.get("schema_version") if isinstance(content, dict) else None
        raise ModelError(
            f"{_CARD} was written by another version of CoraNet (schema {version!r}, expected {SCHEMA_VERSION}); "
            "use that version or train anew."
        )
    return ModelPackage(
        folder,
        Architecture.from_dict(content["architecture"]),
        Preprocessing.from_dict(content["preprocessing"]),
        tuple(Label(**label) for label in content["labels"]),
        dict(content["card"]),
    )


def _model_folder(path: Path) -> Path:
    if (path / _CARD).is_file():
        return path.absolute()
    if not Job.exists(path):
        raise ModelError(f"'{path}' is neither a model nor a training job; choose a folder that holds {_CARD}.")
    folder = Job.open(path).model_folder
    if not (folder / _CARD).is_file():
        raise ModelError(
            f"the training in '{path}' has not finished, so there is no model yet; let it finish or resume it."
        )
    return folder
