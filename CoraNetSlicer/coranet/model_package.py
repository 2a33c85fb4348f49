"""A trained model as a folder: weights and a card that describes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from . import __version__
from .coarse.finding import CoarseNetwork
from .coarse.part import CoarsePart
from .contract import Label, ModelCard, names_of, read_json, write_json_atomic
from .contract.config import InferenceConfig
from .contract.errors import DataError, JobError, ModelError, reason_of
from .contract.model_card import MODEL_SCHEMA_VERSION, damaged_model, model_card_path
from .data.preprocessing import Preprocessing
from .error_model import ErrorModel
from .inference.network_pass import SlidingWindow
from .machine.devices import Device
from .networks import Architecture, CoraNet, place
from .tensors import load_tensors, save_tensors

_WEIGHTS, _COARSE_WEIGHTS = "weights.pt", "coarse.pt"


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
        coarse: of the network that finds the boxes in which the other one looks; None: it looks at whole scans.
    """

    folder: Path
    architecture: Architecture
    preprocessing: Preprocessing
    labels: tuple[Label, ...]
    card: dict[str, Any] = field(default_factory=dict)
    coarse: CoarsePart | None = None

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the images of a scan that it sees together, in their order."""
        return names_of(tuple(self.card.get("channels") or ()), self.architecture.in_channels)

    def write(self, network: nn.Module, coarse_network: nn.Module | None = None) -> None:
        """Write weights, then the card: where the card is, the model is whole.

        Args:
            network: of this architecture.
            coarse_network: where there is a coarse part.

        Raises:
            StorageError: it could not be written.
        """
        save_tensors(self.folder / _WEIGHTS, network.state_dict())
        if coarse_network is not None:
            save_tensors(self.folder / _COARSE_WEIGHTS, coarse_network.state_dict())
        content = {
            "schema_version": MODEL_SCHEMA_VERSION,
            "engine_version": __version__,
            "architecture": self.architecture.to_dict(),
            "preprocessing": self.preprocessing.to_dict(),
            "labels": [asdict(label) for label in self.labels],
            "card": self.card,
            **({"coarse": self.coarse.to_dict()} if self.coarse else {}),
        }
        write_json_atomic(model_card_path(self.folder), content)

    def write_error_model(self, model: ErrorModel) -> None:
        """Add the error model of this model, which is whole without it.

        Raises:
            StorageError: it could not be written.
        """
        path = model_card_path(self.folder)
        described = model.write(self.folder)
        write_json_atomic(path, {**read_json(path), "error_model": described})

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
            float(card.content["card"].get("caution") or 0.0)
            architecture = Architecture.from_dict(card.content["architecture"])
            _require_labels(architecture, [label.name for label in card.labels], card.content["card"])
            return ModelPackage(
                card.folder,
                architecture,
                Preprocessing.from_dict(card.content["preprocessing"]),
                card.labels,
                dict(card.content["card"]),
                CoarsePart.from_dict(card.content["coarse"]) if card.content.get("coarse") else None,
            )
        except (DataError, ModelError, TypeError, KeyError, ValueError) as error:
            raise damaged_model(card.folder, error) from error

    def load_network(self, device: Device) -> nn.Module:
        """The network with its weights, ready to be applied.

        Raises:
            ModelError: the weights are missing, damaged, or of another network.
        """
        return place(self._network(self.architecture, _WEIGHTS), device).eval()

    def load_coarse(
        self, device: Device, config: InferenceConfig, before_window: Callable[[float], None] = lambda share: None
    ) -> CoarseNetwork | None:
        """The network that finds boxes, with its weights; None: the model looks at whole scans.

        Args:
            device: where it computes.
            config: how a scan larger than its window is covered.
            before_window: called before each batch of windows, may raise to stop.

        Raises:
            ModelError: the weights are missing, damaged, or of another network.
        """
        if self.coarse is None:
            return None
        network = self._network(self.coarse.architecture, _COARSE_WEIGHTS)
        window = SlidingWindow.of(self.coarse.architecture, config, device, before_window)
        return CoarseNetwork(self.coarse, place(network, device).eval(), window)

    def load_weights(self, network: nn.Module) -> None:
        """Give a network of this architecture the weights of the model.

        Raises:
            ModelError: they are missing, damaged, or of another network.
        """
        self._load(network, _WEIGHTS)

    def _network(self, architecture: Architecture, file: str) -> nn.Module:
        # Without memory first: a card may describe a network larger than memory, the weights cannot.
        with torch.device("meta"):
            expected = CoraNet(architecture)
        self._load(expected, file, assign=True)
        network = CoraNet(architecture)
        self._load(network, file)
        return network

    def _load(self, network: nn.Module, file: str, assign: bool = False) -> None:
        try:
            network.load_state_dict(load_tensors(self.folder / file), assign=assign)
        except (JobError, RuntimeError, AttributeError, TypeError) as error:
            raise ModelError(
                f"the weights in '{self.folder}' cannot be used ({reason_of(error)}); copy the model folder again."
            ) from error


def _require_labels(architecture: Architecture, names: Sequence[str], card: Mapping[str, Any]) -> None:
    """Raise ValueError where labels are not those of the network's classes, in their order."""
    if len(names) != architecture.classes - 1:
        raise ValueError(
            f"its number of labels is {len(names)}, that of the structures of its network {architecture.classes - 1}"
        )
    # Whoever gives a structure another name may do so; the order says which class is which.
    learned = (card.get("reference") or {}).get("names") or names
    if sorted(learned) == sorted(names) and list(learned) != list(names):
        raise ValueError(f"its labels are in the order {', '.join(names)}, its network learned {', '.join(learned)}")
