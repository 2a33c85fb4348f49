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
from .job import Label, ModelCard, names_of, write_json_atomic
from .job.model_card import MODEL_SCHEMA_VERSION, damaged_model, model_card_path
from .networks import Architecture, CoraNet, place
from .tensors import load_tensors, save_tensors

_WEIGHTS = "weights.pt"


@dataclass(frozen=True)
class ModelPackage:
    """What a model needs besides its weights.

    Attributes:
        folder: where it lies.
        architecture: of the network.
        preprocessing: of its input.
        labels: of its classes 1, 2, ... in this order.
        card: for people: validation_dice {name: value}, trained_on {role: number of cases}, steps, preset, seed,
            history ...
    """

    folder: Path
    architecture: Architecture
    preprocessing: Preprocessing
    labels: tuple[Label, ...]
    card: dict[str, Any] = field(default_factory=dict)

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the images of a scan that it sees together, in their order."""
        return names_of(tuple(self.card.get("channels") or ()), self.architecture.in_channels)

    def write(self, network: nn.Module) -> None:
        """Write weights, then the card: where the card is, the model is whole.

        Raises:
            StorageError: it could not be written.
        """
        save_tensors(self.folder / _WEIGHTS, network.state_dict())
        content = {
            "schema_version": MODEL_SCHEMA_VERSION,
            "engine_version": __version__,
            "architecture": self.architecture.to_dict(),
            "preprocessing": self.preprocessing.to_dict(),
            "labels": [asdict(label) for label in self.labels],
            "card": self.card,
        }
        write_json_atomic(model_card_path(self.folder), content)

    @staticmethod
    def read(model_or_job: str | Path) -> ModelPackage:
        """Read the card of a model.

        Args:
            model_or_job: folder of a model, or of the training job that made it.

        Raises:
            ModelError: there is no finished model, or its card is damaged.
        """
        card = ModelCard.read(model_or_job)
        try:
            return ModelPackage(
                card.folder,
                Architecture.from_dict(card.content["architecture"]),
                Preprocessing.from_dict(card.content["preprocessing"]),
                card.labels,
                dict(card.content["card"]),
            )
        except (DataError, ModelError, TypeError, KeyError, ValueError) as error:
            raise damaged_model(card.folder, error) from error

    def load_network(self, device: Device) -> nn.Module:
        """The network with its weights, ready to be applied.

        Raises:
            ModelError: the weights are missing, damaged, or of another network.
        """
        network = CoraNet(self.architecture)
        self.load_weights(network)
        return place(network, device).eval()

    def load_weights(self, network: nn.Module) -> None:
        """Give a network of this architecture the weights of the model.

        Raises:
            ModelError: they are missing, damaged, or of another network.
        """
        try:
            network.load_state_dict(load_tensors(self.folder / _WEIGHTS))
        except (JobError, RuntimeError) as error:
            reason = str(error).splitlines()[0].rstrip(":")  # torch goes on with each weight's name
            raise ModelError(
                f"the weights in '{self.folder}' cannot be used ({reason}); copy the model folder anew."
            ) from error
