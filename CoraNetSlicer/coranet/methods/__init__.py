"""CoraNet and the methods that it is compared with: each a file, all behind one step."""

from __future__ import annotations

from .advnet import AdversarialMethod
from .coranet import CoraNetMethod
from .mean_teacher import MeanTeacherMethod
from .method import Method, Networks, StepLosses
from .pseudo_label import PseudoLabelMethod
from .supervised import SupervisedMethod
from .ua_mt import UncertaintyAwareMeanTeacherMethod
from .umct import CoTrainingMethod
from .vat import VirtualAdversarialMethod

__all__ = ["METHODS", "Method", "Networks", "StepLosses"]

METHODS: dict[str, type[Method]] = {
    "coranet": CoraNetMethod,
    "supervised": SupervisedMethod,
    "pseudo_label": PseudoLabelMethod,
    "mean_teacher": MeanTeacherMethod,
    "ua_mt": UncertaintyAwareMeanTeacherMethod,
    "vat": VirtualAdversarialMethod,
    "umct": CoTrainingMethod,
    "advnet": AdversarialMethod,
}
