"""CoraNet and the methods that it is compared with: each a file, all behind one step."""

from __future__ import annotations

from .coranet import CoraNetMethod
from .method import Method, Networks, StepLosses
from .supervised import SupervisedMethod

__all__ = ["METHODS", "Method", "Networks", "StepLosses"]

METHODS: dict[str, type[Method]] = {
    "coranet": CoraNetMethod,
    "supervised": SupervisedMethod,
}
