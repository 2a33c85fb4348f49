"""A trained network applied to a whole scan, all heads in one pass; logits come row by row and are not kept."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.hooks import RemovableHandle

from ..contract.config import InferenceConfig
from ..machine.devices import Device, free_memory_bytes, is_out_of_memory
from ..networks import Architecture, HeadLogits
from ..networks.architecture import Size
from .views import Views
from .windows import Cover, WindowRule

# Processors are fastest with windows that stay in their cache, cards with windows that keep all of their units busy.
_WINDOW_VOXELS = {"cpu": 262_144, "mps": 884_736, "cuda": 4_194_304}
# A card lends this share of its free memory to one window; each voxel takes so many bytes for each filter.
_MEMORY_SHARE, _BYTES_PER_VOXEL_AND_FILTER = 0.25, 64
# Logits that are being summed up, all classes and heads together.
_SUM_BYTES = 2**30
# Between the layers of a network; a layer over a large window takes about as long.
_POLL_INTERVAL_S = 0.2
# Overlap where none is set. Normalization over the window itself makes borders less alike.
_OVERLAP = {"batch": 0.25, "instance": 0.5}


class JoinedRows(NamedTuple):
    """Rows of a scan, along D, whose logits are final.

    Attributes:
        first: number of the first of these rows.
        logits: each (K, rows, H, W), float32; a view that the next rows overwrite.
    """

    first: int
    logits: HeadLogits


@dataclass(frozen=True)
class SlidingWindow:
    """A network's way over a scan: windows whose logits are averaged with Gaussian weights where they overlap.

    Attributes:
        rule: how windows are planned for a scan.
        device: where the network lives, and the sums.
        classes: number of classes with background.
        window_batch: windows computed at once; None: as many as have the voxels of a large one.
        views: how often the network looks at each window.
        before_window: called before each batch of windows, and again and again while one is computed, with the share
            of the scan that is done, 0 to 1; may raise to stop.
    """

    rule: WindowRule
    device: Device
    classes: int
    window_batch: int | None = None
    before_window: Callable[[float], None] = lambda share: None
    views: Views = Views()

    @staticmethod
    def of(
        architecture: Architecture,
        config: InferenceConfig,
        device: Device,
        before_window: Callable[[float], None] = lambda share: None,
    ) -> SlidingWindow:
        """The windows that belong to a network.

        Batch normalization treats a voxel alike however large the window is, so windows are as large as is fast there;
        instance normalization measures the window, so there they are of the size of the training's patches.
        """
        overlap = _OVERLAP[architecture.normalization] if config.overlap is None else config.overlap
        grows = architecture.normalization == "batch"
        voxels = _window_voxels(architecture, device)
        rule = WindowRule(
            architecture.patch_size_kji, overlap, architecture.factors, architecture.slice_axis, grows, voxels
        )
        return SlidingWindow(rule, device, architecture.classes, config.window_batch, before_window)

    def cover(self, size: Sequence[int]) -> Cover:
        """The windows of a scan of (D, H, W) voxels."""
        row_bytes = 3 * self.classes * 4 * size[1] * size[2]
        return self.rule.cover(size, _SUM_BYTES // row_bytes)

    def logits(self, network: nn.Module, image: Tensor, padding: Sequence[float]) -> HeadLogits:
        """Logits of the three heads for a prepared scan, all at once.

        Args:
            network: gives `HeadLogits`; in evaluation mode.
            image: (C, D, H, W), float32.
            padding: for each channel the intensity outside of the scan.

        Returns:
            Each (K, D, H, W), float32, in main memory.
        """
        joined: list[Tensor] = []
        for first, rows in self.stream(network, image, padding):
            if not joined:
                joined = [torch.empty(len(head), *image.shape[1:]) for head in rows]
            for whole, head in zip(joined, rows, strict=True):
                whole[:, first : first + head.shape[1]] = head
        return HeadLogits(*joined)

    @torch.no_grad()
    def stream(self, network: nn.Module, image: Tensor, padding: Sequence[float]) -> Iterator[JoinedRows]:
        """Logits of the three heads for a prepared scan, in rows along D as soon as no further window concerns them.

        Args:
            network: gives `HeadLogits`; in evaluation mode.
            image: (C, D, H, W), float32.
            padding: for each channel the intensity outside of the scan.

        Yields:
            All rows, in order, on the device; each part but the first begins with the last row of the one before, which
            resampling needs. What was yielded is overwritten by the next part.

        Raises:
            RuntimeError, MemoryError: not even one window of the size of the patch fits into memory.
        """
        tried, network = self, self.views.of(network, image[0].numel())
        while True:
            rows = tried._rows(network, image, padding)
            try:
                first = next(rows)
                break
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error) or not tried._can_shrink:
                    raise
            # Outside of the handler: its traceback would keep the tensors of the failed window alive.
            tried = replace(tried, rule=replace(tried.rule, voxels=tried.rule.voxels // 2))
        yield first
        yield from rows

    @property
    def _can_shrink(self) -> bool:
        """Whether windows are larger than the training's patch, which has been in memory before."""
        return self.rule.grows and self.rule.voxels // 2 >= math.prod(self.rule.patch_size)

    def _rows(self, network: nn.Module, image: Tensor, padding: Sequence[float]) -> Iterator[JoinedRows]:
        """What `stream` yields, with windows as they are."""
        cover = self.cover(image.shape[1:])
        sums = _RowSums(cover, self.device)
        batch = self.window_batch or max(self._fewest, self.rule.voxels // math.prod(cover.window))
        count = 0
        with _Interruption(network, lambda: self.before_window(count / cover.count)):
            for layer in range(len(cover.depth.starts)):
                windows = cover.layer(layer)
                while some := list(islice(windows, batch)):
                    self.before_window(count / cover.count)
                    patches = torch.stack([_patch(image, padding, cover, window) for window in some])
                    heads = self._heads(network, patches)
                    for number, window in enumerate(some):
                        sums.add(window, [head[number] for head in heads])
                    count += len(some)
                yield sums.final_rows(layer)
                sums.move_on(layer)

    def _heads(self, network: nn.Module, patches: Tensor) -> HeadLogits:
        """Logits of a batch of windows, of its halves where memory does not suffice for all at once."""
        try:
            return self._heads_at_once(network, patches)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error) or len(patches) == 1:
                raise
        halves = [self._heads(network, half) for half in patches.chunk(2)]
        return HeadLogits(*(torch.cat(heads) for heads in zip(*halves, strict=True)))

    def _heads_at_once(self, network: nn.Module, patches: Tensor) -> HeadLogits:
        count = len(patches)
        if count < self._fewest:
            patches = patches.expand(self._fewest, *patches.shape[1:])
        patches = patches.to(self.device.torch_device).contiguous(memory_format=self.device.memory_format)
        with torch.inference_mode(), self.device.autocast():
            heads: HeadLogits = network(patches)
        return HeadLogits(*(head[:count] for head in heads))

    @property
    def _fewest(self) -> int:
        """How many windows at once the device needs to be fast.

        On one thread of a processor PyTorch computes the convolutions of a single volume in another way than those of
        two, which is six times as slow (torch 2.13): to compute it twice is three times as fast.
        """
        return 2 if self.device.torch_device.type == "cpu" and torch.get_num_threads() == 1 else 1


class _Interruption:
    """While it is open, `poll` is called between the layers of a network, not too often; it may raise to stop.

    On a processor one batch of windows takes seconds, during which no request would be noticed.
    """

    def __init__(self, network: nn.Module, poll: Callable[[], object]) -> None:
        self._network, self._poll = network, poll
        self._polled = time.monotonic()
        self._hooks: list[RemovableHandle] = []

    def __enter__(self) -> None:
        self._hooks = [module.register_forward_pre_hook(self._before_layer) for module in self._network.modules()]

    def __exit__(self, *_error: object) -> None:
        for hook in self._hooks:
            hook.remove()

    def _before_layer(self, _layer: nn.Module, _inputs: object) -> None:
        if time.monotonic() - self._polled >= _POLL_INTERVAL_S:
            self._poll()
            self._polled = time.monotonic()


class _RowSums:
    """Weighted sums of the logits of all heads, of those rows that are not yet final and the last one that is."""

    def __init__(self, cover: Cover, device: Device) -> None:
        self._cover = cover
        self._place = device.torch_device
        self._weights = [[weight.to(self._place) for weight in axis.weights()] for axis in cover.axes]
        self._sums = torch.empty(0)
        self._first = 0

    def add(self, window: Size, heads: Sequence[Tensor]) -> None:
        """Add a window's logits, each (K, D, H, W)."""
        cover = self._cover
        if not self._sums.numel():
            rows = min(cover.depth.window + 1, cover.depth.size)
            classes = sum(len(head) for head in heads)
            self._sums = torch.zeros(classes, rows, cover.height.size, cover.width.size, device=self._place)
        along_d, along_h, along_w = (part[number] for part, number in zip(self._weights, window, strict=True))
        weight = along_d[:, None, None] * along_h[:, None] * along_w
        in_depth, in_height, in_width = cover.place(window)
        rows_here = slice(in_depth.start - self._first, in_depth.stop - self._first)
        begin = 0
        for head in heads:
            target = self._sums[begin : begin + len(head), rows_here, in_height, in_width]
            target.addcmul_(head[tuple([slice(None), *cover.inside(window)])].float(), weight)
            begin += len(head)

    def final_rows(self, layer: int) -> JoinedRows:
        """The rows that no window of the layers after this one concerns; later rows are kept, earlier ones go."""
        depth = self._cover.depth
        end = depth.size if layer + 1 == len(depth.starts) else depth.starts[layer + 1]
        rows = self._sums[:, : end - self._first]
        return JoinedRows(self._first, HeadLogits(*rows.chunk(3)))

    def move_on(self, layer: int) -> None:
        """Forget the final rows of a layer but the last one, to make room for the next layer."""
        depth = self._cover.depth
        if layer + 1 == len(depth.starts):
            return
        first = depth.starts[layer + 1] - 1
        still_open = self._sums[:, first - self._first : depth.span(layer)[1] - self._first].clone()
        self._sums[:, : still_open.shape[1]] = still_open
        self._sums[:, still_open.shape[1] :] = 0
        self._first = first


def _patch(image: Tensor, padding: Sequence[float], cover: Cover, window: Size) -> Tensor:
    """What of a scan lies in a window, (C, D, H, W), with padding where it reaches beyond the scan."""
    patch = image[tuple([slice(None), *cover.place(window)])]
    if patch.shape[1:] == cover.window:
        return patch
    pads: list[int] = []
    for inside, size in zip(cover.inside(window), cover.window, strict=True):
        # functional.pad takes the last axis first.
        pads = [inside.start, size - inside.stop, *pads]
    return torch.stack(
        [functional.pad(channel, pads, value=value) for channel, value in zip(patch, padding, strict=True)]
    )


def _window_voxels(architecture: Architecture, device: Device) -> int:
    """Voxels of a large window; no fewer than those of the patch, which has been in memory before."""
    kind = device.torch_device.type
    voxels = _WINDOW_VOXELS[kind]
    if kind != "cpu":
        free = free_memory_bytes(device)
        if free is not None:
            each = architecture.base_filters * _BYTES_PER_VOXEL_AND_FILTER
            voxels = min(voxels, int(free * _MEMORY_SHARE / each))
    return max(voxels, math.prod(architecture.patch_size_kji))
