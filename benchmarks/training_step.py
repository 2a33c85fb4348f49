"""A self-training step of the engine against a plain eager float32 step: same network, patches, batch and machine.

    python benchmarks/training_step.py [--backbones vnet,unet] [--decoders three,branches] [--output FILE.json]
    python benchmarks/training_step.py --job JOB

Ours: the code of a training job, with all options of the device (number format, memory layout, fused optimizer).
Plain: the step as the paper describes it, written in the straightforward way: contiguous float32, one pass for labeled
and one for unlabeled patches, one for the teacher and one for the network that gives pseudo-labels, losses by one-hot
formulas, torch.optim.Adam, the moving average in a loop. "Plain, one teacher" leaves out the fourth pass, which ours
does not need either where the teacher gives the pseudo-labels. Augmentation is in neither, and neither is compiled.
Repeats are interleaved; figures are medians. With `--job` it tells instead what each phase of a training took, and what
its error model added to the rest.
"""

from __future__ import annotations

import argparse
import copy
import json
import platform
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "CoraNetSlicer"))

from coranet.contract import Job
from coranet.contract.config import MachineConfig, TrainConfig
from coranet.contract.events import Event, Progress, Started
from coranet.data.patches import LabeledBatch, UnlabeledBatch
from coranet.machine.devices import Device, choose_device
from coranet.machine.distributed import Team
from coranet.networks import Architecture, CoraNet
from coranet.training.state import TrainingState
from coranet.training.step import Stepper

CLASSES, ALPHA = 3, 5.0
RAMP_UP, CERTAIN_WEIGHT, UNCERTAIN_WEIGHT, CONSISTENCY_WEIGHT, DECAY = 1.0, 0.5, 0.5, 0.1, 0.99


def architecture_of(backbone: str, decoders: str, filters: int, patch: tuple[int, int, int]) -> Architecture:
    """Four levels, all axes halved alike; the 2D network sees slices along the first axis."""
    steps, kernel = ((2, 2, 2), (3, 3, 3)) if backbone != "unet" else ((1, 2, 2), (1, 3, 3))
    return Architecture(
        backbone, CLASSES, filters, "batch", patch, (steps,) * 3, (kernel,) * 4, decoders,
        slice_axis=0 if backbone == "unet" else None,
    )  # fmt: skip


class OurStep:
    """The engine's own step."""

    def __init__(self, architecture: Architecture, device: Device, batches: tuple[LabeledBatch, UnlabeledBatch]):
        self._state = TrainingState(TrainConfig(), architecture, device)
        self._stepper = Stepper(self._state, device, Team())
        labeled, unlabeled = batches
        images = [batch.contiguous(memory_format=device.memory_format) for batch in (labeled.images, *unlabeled[:2])]
        self._batches = LabeledBatch(images[0], labeled.targets), UnlabeledBatch(images[1], images[2])

    def __call__(self) -> None:
        self._state.set_learning_rate()
        self._stepper.update(self._stepper.losses(*self._batches, RAMP_UP))
        self._state.step += 1


class PlainStep:
    """What the paper says, line by line."""

    def __init__(
        self, architecture: Architecture, device: Device, batches: tuple[LabeledBatch, UnlabeledBatch],
        has_labeller: bool,
    ):  # fmt: skip
        self._student = CoraNet(architecture).to(device.torch_device).train()
        self._teacher = copy.deepcopy(self._student).eval()
        self._labeller = copy.deepcopy(self._student).eval() if has_labeller else None
        self._optimizer = torch.optim.Adam(self._student.parameters(), lr=1e-3, foreach=False, fused=False)
        self._batches = batches

    def __call__(self) -> None:
        labeled, unlabeled = self._batches
        on_labeled = self._student(labeled.images)
        on_unlabeled = self._student(unlabeled.student_images)
        with torch.no_grad():
            averaged = self._teacher(unlabeled.teacher_images)
            labels = self._labeller(unlabeled.teacher_images) if self._labeller else averaged
            target = labels.segmentation.argmax(1)
            certain = (labels.conservative.argmax(1) == labels.radical.argmax(1)).float()
        supervised = plain_heads_loss(on_labeled, labeled.targets, torch.ones_like(labeled.targets).float())
        unsupervised = CERTAIN_WEIGHT * plain_heads_loss(on_unlabeled, target, certain)
        consistency = sum(
            plain_consistency(student, teacher, 1 - certain)
            for student, teacher in zip(on_unlabeled, averaged, strict=True)
        )
        unsupervised = unsupervised + UNCERTAIN_WEIGHT * CONSISTENCY_WEIGHT * consistency / 3
        self._optimizer.zero_grad()
        (supervised + RAMP_UP * unsupervised).backward()
        self._optimizer.step()
        with torch.no_grad():
            for old, new in zip(self._teacher.parameters(), self._student.parameters(), strict=True):
                old.mul_(DECAY).add_(new, alpha=1 - DECAY)
            for old, new in zip(self._teacher.buffers(), self._student.buffers(), strict=True):
                old.copy_(new)


def plain_heads_loss(logits: tuple[Tensor, Tensor, Tensor], target: Tensor, mask: Tensor) -> Tensor:
    """(CE + Dice + CE_conservative + CE_radical) / 4."""
    segmentation, conservative, radical = logits
    background_first = [ALPHA] + [1.0] * (CLASSES - 1)
    foreground_first = [1.0] + [ALPHA] * (CLASSES - 1)
    return (
        plain_cross_entropy(segmentation, target, [1.0] * CLASSES, mask)
        + plain_dice(segmentation, target, mask)
        + plain_cross_entropy(conservative, target, background_first, mask)
        + plain_cross_entropy(radical, target, foreground_first, mask)
    ) / 4


def one_hot(target: Tensor) -> Tensor:
    return nn.functional.one_hot(target, CLASSES).permute(0, 4, 1, 2, 3).float()


def plain_cross_entropy(logits: Tensor, target: Tensor, costs: list[float], mask: Tensor) -> Tensor:
    weight = one_hot(target) * torch.tensor(costs, device=logits.device).reshape(1, -1, 1, 1, 1) * mask.unsqueeze(1)
    return -(weight * torch.log(torch.softmax(logits, 1) + 1e-8)).sum() / (weight.sum() + 1e-5)


def plain_dice(logits: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    probability, truth = torch.softmax(logits, 1) * mask.unsqueeze(1), one_hot(target) * mask.unsqueeze(1)
    overlap = (probability * truth).sum((0, 2, 3, 4))
    total = probability.sum((0, 2, 3, 4)) + truth.sum((0, 2, 3, 4))
    return 1 - ((2 * overlap + 1e-5) / (total + 1e-5))[1:].mean()


def plain_consistency(student: Tensor, teacher: Tensor, mask: Tensor) -> Tensor:
    difference = (torch.softmax(student, 1) - torch.softmax(teacher, 1)) ** 2
    return (difference.mean(1) * mask).sum() / (mask.sum() + 1e-5)


def fixed_batches(
    device: Device, patch: tuple[int, int, int], sizes: tuple[int, int]
) -> tuple[LabeledBatch, UnlabeledBatch]:
    """Noise with a bright box that is labeled; float32, contiguous."""
    generator = torch.Generator().manual_seed(0)
    targets = torch.zeros(sizes[0], *patch, dtype=torch.int64)
    box = tuple(slice(size // 4, -(-size * 3 // 4)) for size in patch)
    targets[(slice(None), *box)] = torch.randint(1, CLASSES, (), generator=generator)
    labeled = torch.randn(sizes[0], 1, *patch, generator=generator) + targets.unsqueeze(1)
    student = torch.randn(sizes[1], 1, *patch, generator=generator)
    student[(slice(None), slice(None), *box)] += 1
    teacher = student + 0.05 * torch.randn(student.shape, generator=generator)
    place = device.torch_device
    return LabeledBatch(labeled.to(place), targets.to(place)), UnlabeledBatch(student.to(place), teacher.to(place))


def median_seconds(steps: dict[str, Callable[[], None]], repeats: int, device: Device) -> dict[str, float]:
    """Median time of each, all in turn; the first two rounds warm up."""
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(repeats + 2):
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            if device.torch_device.type == "cuda":
                torch.cuda.synchronize()
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values[2:]) for name, values in seconds.items()}


def measured(backbone: str, decoders: str, device: Device, args: argparse.Namespace) -> dict[str, object]:
    """One row of the table."""
    patch = (1, 160, 160) if backbone == "unet" else (32, 48, 40)
    sizes = (args.batch or (8 if backbone == "unet" else 2),) * 2
    architecture = architecture_of(backbone, decoders, args.filters, patch)
    batches = fixed_batches(device, patch, sizes)
    plain_device = replace(device, dtype=torch.float32)
    torch.manual_seed(0)
    seconds = median_seconds(
        {
            "ours": OurStep(architecture, device, batches),
            "plain": PlainStep(architecture, plain_device, batches, has_labeller=True),
            "plain_one_teacher": PlainStep(architecture, plain_device, batches, has_labeller=False),
        },
        args.repeats,
        device,
    )
    return {
        "backbone": backbone, "decoders": decoders, "filters": args.filters, "patch_kji": patch, "batch": sizes,
        "ms": {name: round(1000 * value, 1) for name, value in seconds.items()},
        "ratio": round(seconds["ours"] / seconds["plain"], 3),
        "ratio_one_teacher": round(seconds["ours"] / seconds["plain_one_teacher"], 3),
    }  # fmt: skip


def seconds_by_phase(events: Iterable[Event]) -> dict[str, float]:
    """Seconds from one event to the next, by the phase of the progress that was told last; pauses of a job left out."""
    seconds: dict[str, float] = defaultdict(float)
    phase, since = "", None
    for event in events:
        if since is not None and not isinstance(event, Started):
            seconds[phase] += event.time - since
        since = None if event.is_final else event.time
        phase = event.phase if isinstance(event, Progress) else phase
    return {name: value for name, value in seconds.items() if name}


def tell_phases(folder: Path) -> None:
    """What each phase of a training took."""
    seconds = seconds_by_phase(Job.open(folder).read_events())
    print(", ".join(f"{name} {value:.0f} s" for name, value in seconds.items()))
    added = seconds.pop("error_model", 0.0)
    print(f"the error model added {100 * added / max(sum(seconds.values()), 1e-9):.0f} %")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backbones", default="vnet,unet", help="of vnet, unet, resnet18")
    parser.add_argument("--decoders", default="three,branches")
    parser.add_argument("--filters", type=int, default=8)
    parser.add_argument("--batch", type=int, default=0, help="patches of each kind; 0: 2 volumes or 8 slices")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--output", type=Path, help="JSON file")
    parser.add_argument("--job", type=Path, help="folder of a training: tell what its phases took, and measure nothing")
    args = parser.parse_args()
    if args.job:
        tell_phases(args.job)
        return
    device = choose_device(MachineConfig(precision=args.precision, threads=args.threads))
    machine = {"device": device.name, "precision": str(device.dtype), "torch": torch.__version__,
               "processor": platform.processor() or platform.machine(), "system": platform.system()}  # fmt: skip
    print(", ".join(f"{key} {value}" for key, value in machine.items()))
    print(f"{'network':<20} {'ours':>9} {'plain':>9} {'ratio':>6}   {'plain, one teacher':>18} {'ratio':>6}")
    rows = []
    for backbone in args.backbones.split(","):
        for decoders in args.decoders.split(","):
            row = measured(backbone, decoders, device, args)
            ms = row["ms"]
            print(
                f"{backbone + ', ' + decoders:<20} {ms['ours']:>6.0f} ms {ms['plain']:>6.0f} ms {row['ratio']:>6.2f}   "
                f"{ms['plain_one_teacher']:>15.0f} ms {row['ratio_one_teacher']:>6.2f}",
                flush=True,
            )
            rows.append(row)
    if args.output:
        content = {"command": " ".join(["python", *sys.argv]), "machine": machine, "rows": rows}
        args.output.parent.mkdir(parents=True, exist_ok=True)
        args.output.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
