"""Supervised learning alone: the second stage goes on like the first."""

from __future__ import annotations

from ..data.patches import LabeledBatch, UnlabeledBatch
from .method import Method, Networks, StepLosses


class SupervisedMethod(Method):
    """Unlabeled patches are not looked at."""

    uses_unlabeled = False

    def self_train(
        self, networks: Networks, labeled: LabeledBatch, unlabeled: UnlabeledBatch, ramp_up: float
    ) -> StepLosses:
        """See `Method.self_train`."""
        return self.pretrain(networks, labeled)
