"""Passes through a network beside the one that learns from labels: with dropout alone, or without any trace."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ..networks import FeatureDropout


@contextmanager
def dropout_switched_on(network: nn.Module) -> Iterator[None]:
    """Leave out features at random although the network is in evaluation mode (Monte Carlo dropout)."""
    with _dropout_set(network, on=True):
        yield


@contextmanager
def leaving_no_trace(network: nn.Module) -> Iterator[None]:
    """Passes that are repeatable and change no running statistics: no dropout, batches normalized by themselves."""
    tracking = [module for module in network.modules() if isinstance(module, _BatchNorm) and module.track_running_stats]
    for module in tracking:
        module.track_running_stats = False
    try:
        with _dropout_set(network, on=False):
            yield
    finally:
        for module in tracking:
            module.track_running_stats = True


def entropy(probability: Tensor) -> Tensor:
    """-sum_k p_k log p_k.

    Args:
        probability: (B, K, D, H, W), float32, sums to 1 over K.

    Returns:
        (B, D, H, W), natural units, from 0 to log K.
    """
    return -(probability * probability.clamp_min(1e-12).log()).sum(1)


@contextmanager
def _dropout_set(network: nn.Module, on: bool) -> Iterator[None]:
    modules = [module for module in network.modules() if isinstance(module, FeatureDropout) and module.training != on]
    for module in modules:
        module.train(on)
    try:
        yield
    finally:
        for module in modules:
            module.train(not on)
