"""What the scans of a training were like, kept with its model, and in what another scan is unlike them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..contract.codec import CodecError, from_json, to_json
from ..contract.errors import ModelError
from .likeness import is_plausible
from .traits import CaseTraits

# So many of the training's kind lie in the range that is called plausible, in each trait.
_PLAUSIBLE_SHARE = 0.998
# How much cases vary, where there are few of them.
_USUAL_SPREAD = {"volume": 0.35, "confidence": 0.3, "detail": 0.15}
_FEWEST_CASES = 2
# What is called usual in a sentence.
_USUAL_SHARE = 0.9
# The share of results that is worth a look.
_LOOK_SHARE = 0.2
_LEAST_ML, _LEAST_ODDS = 1e-6, 1e-3
# Figures that are kept.
_DIGITS = 5


@dataclass(frozen=True)
class Implausible:
    """In what a scan or its result is unlike those of the training.

    Attributes:
        of_result: how the result is, in sentences.
        of_scan: how the scan is, in sentences.
    """

    of_result: tuple[str, ...] = ()
    of_scan: tuple[str, ...] = ()

    @property
    def sentences(self) -> tuple[str, ...]:
        """All of them."""
        return (*self.of_result, *self.of_scan)


@dataclass(frozen=True)
class Reference:
    """The traits of some cases of a training; nobody can be recognized by them.

    Attributes:
        names: of the classes but background.
        cases: labeled ones with the volumes of their labels, and others as the model segments them.
    """

    names: tuple[str, ...]
    cases: tuple[CaseTraits, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types, for the card of the model."""
        return {"names": list(self.names), "cases": [_rounded(case) for case in self.cases]}

    @staticmethod
    def from_card(card: Mapping[str, Any]) -> Reference | None:
        """From the card of a model; None: it is of an earlier version, or nothing was measured.

        Raises:
            ModelError: it cannot be read.
        """
        content = card.get("reference")
        if not content:
            return None
        try:
            reference = from_json(Reference, content)
            if any(len(case.volume_ml) != len(reference.names) for case in reference.cases):
                raise ValueError(f"a case must have {len(reference.names)} volumes")
            return reference
        except (CodecError, TypeError, ValueError, AttributeError) as error:
            raise ModelError(
                f"what the model says of the scans of its training cannot be read ({error}); copy its folder again."
            ) from error

    def implausible(self, traits: CaseTraits) -> Implausible:
        """In what a case is unlike those of the training."""
        sure = [sentence] if (sentence := self._less_sure(traits.confidence)) else []
        return Implausible((*sure, *self._other_volumes(traits.volume_ml)), tuple(self._other_detail(traits.detail)))

    def is_less_sure(self, confidence: float | None) -> bool:
        """Whether the network is less sure than of most of the training's scans: of four in five."""
        known = self._confidences
        return (
            confidence is not None
            and len(known) >= _FEWEST_CASES
            and confidence < float(np.quantile(known, _LOOK_SHARE))
        )

    @property
    def _confidences(self) -> list[float]:
        # A network is too sure of what it was taught.
        return [case.confidence for case in self.cases if case.confidence is not None]

    def _less_sure(self, confidence: float | None) -> str:
        known = self._confidences
        # Surer than the others is no fault.
        if confidence is None or not known or confidence >= float(np.median(known)):
            return ""
        if _is_plausible([_log_odds(value) for value in known], _log_odds(confidence), "confidence"):
            return ""
        lower, upper = _usual(known)
        return (
            f"The network is far less sure of it ({confidence:.2f}) than of the scans of its training ({lower:.2f} to "
            f"{upper:.2f})."
        )

    def _other_volumes(self, volume_ml: Sequence[float]) -> Iterator[str]:
        for number, (name, ml) in enumerate(zip(self.names, volume_ml, strict=True)):
            every = [case.volume_ml[number] for case in self.cases]
            known = [value for value in every if value > 0]
            # In some cases a structure is not there.
            is_usual = (ml == 0 and len(known) < len(every)) or _is_plausible(
                [math.log(value) for value in known], math.log(max(ml, _LEAST_ML)), "volume"
            )
            if not is_usual:
                yield (
                    f"'{name}' has {ml:.3g} mL; in {len(known)} training cases it had {min(known):.3g} to "
                    f"{max(known):.3g} mL."
                )

    def _other_detail(self, detail: Sequence[float]) -> Iterator[str]:
        for number, value in enumerate(detail):
            known = [case.detail[number] for case in self.cases if number < len(case.detail)]
            if not _is_plausible(known, value, "detail"):
                channel = "The scan" if len(detail) == 1 else f"Channel {number + 1} of the scan"
                how = "noisier" if value > float(np.mean(known)) else "smoother"
                yield f"{channel} is far {how} than those of the training."


def _is_plausible(known: Sequence[float], value: float, trait: str) -> bool:
    return is_plausible(known, value, _USUAL_SPREAD[trait], _PLAUSIBLE_SHARE)


def _usual(known: Sequence[float]) -> tuple[float, float]:
    lower, upper = np.quantile(known, [(1 - _USUAL_SHARE) / 2, (1 + _USUAL_SHARE) / 2])
    return float(lower), float(upper)


def _log_odds(share: float) -> float:
    clipped = min(max(share, _LEAST_ODDS), 1 - _LEAST_ODDS)
    return math.log(clipped / (1 - clipped))


def _rounded(case: CaseTraits) -> dict[str, Any]:
    def rounded(value: Any) -> Any:
        if isinstance(value, float):
            return float(f"{value:.{_DIGITS}g}")
        return [rounded(element) for element in value] if isinstance(value, (list, tuple)) else value

    return {name: rounded(value) for name, value in to_json(case).items()}
