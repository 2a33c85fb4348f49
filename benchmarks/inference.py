"""Segmenting against the field's loop and MONAI's sliding window: time, peak memory and agreement, on one machine.

    python benchmarks/inference.py speed MODEL SCAN [--tiles 3,3,3] [--loop-share 0.05] [--box-share 0.05] [--threads 1]
    python benchmarks/inference.py memory MODEL SCAN [--tiles 3,3,3]
    python benchmarks/inference.py large [--size 512,512,466] [--classes 5] [--threads 2]
    python benchmarks/inference.py many MODEL FOLDER [--cases 50]
    python benchmarks/inference.py doubt MODEL SCAN [--tiles 1,1,1] [--repeats 3]

MODEL is a trained model of one channel, SCAN one of its scans, continued by its own mirror images to `--tiles` times
its size. All see the same prepared image with the same weights and number format; time is that of the processor (others
may work on the machine), the best of `--repeats`, for:

- loop: windows of 96 x 96 x 96 voxels, stride 16 x 16 along the first two axes and 4 along the third, softmax to numpy,
  sums and counts, as published with UA-MT and its successors; a share of its windows is measured, and the time of all
  is extrapolated;
- MONAI: `sliding_window_inference` with overlap 0.5 and Gaussian weights, windows of the training's patch and of
  96 x 96 x 96 voxels, 4 at once, all heads, as the engine did before;
- engine: `Segmenter.predict` without a coarse network: prepared, resampled to the scan's own grid, three label maps,
  uncertain region and uncertainty map;
- engine, box: the same where a coarse network has left a box of `--box-share` of the scan. What the coarse network
  takes is what preparing the scan for it takes, and a window of 100,000 voxels, here of the same network.

`memory` runs MONAI and the engine in processes of their own; what Python, PyTorch and MONAI need alone is told beside
it. `large` does that with a network of random weights and made-up noise at the scan's own spacing, written to files as
a job does. `many` counts what a job of small cases takes of the
processor beyond the computation: reading, files, regions. `doubt` tells what the error model of MODEL adds to the time
of a scan; everywhere else the doubt is that of the heads.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "CoraNetSlicer"))

import numpy as np
import torch
from measured_child import measured
from monai.inferers import sliding_window_inference

from coranet.contract import Case, Datalist, Job, JobKind, Label, Role
from coranet.contract.config import InferenceConfig, MachineConfig, SegmentConfig
from coranet.data.box import Box
from coranet.data.orientation import Orientation
from coranet.data.preprocessing import Preprocessing
from coranet.machine.devices import choose_device
from coranet.metrics import dice_per_class
from coranet.model_package import ModelPackage
from coranet.networks import Architecture, CoraNet
from coranet.reporting import Reporter
from coranet.segmentation import Segmenter, run_segmentation_job
from coranet.volume import Grid, Volume, read_image, write_volume

FIELD_WINDOW, FIELD_STRIDE = 96, (16, 16, 4)
COARSE_VOXELS = 100_000


def main() -> None:
    """Measure what was asked for."""
    options = _options()
    programs = {"speed": speed, "memory": memory, "large": large, "many": many, "doubt": doubt, "child": child}
    programs[options.what](options)


def speed(options: argparse.Namespace) -> None:
    """Time and agreement, in this process."""
    segmenter, volume = _segmenter(options), _tiled(options)
    image = segmenter.prepared(volume)
    boxed = _boxed(segmenter, volume, options.box_share)
    print(f"scan {volume.voxels.shape}, prepared {tuple(image.shape[1:])}, {segmenter.device_name}")
    runs: dict[str, Callable[[], Any]] = {
        "MONAI, patch": lambda: monai_labels(segmenter, image, segmenter.package.architecture.patch_size_kji),
        "MONAI, 96": lambda: monai_labels(segmenter, image, (FIELD_WINDOW,) * 3),
        "engine": lambda: segmenter.predict(volume).segmentation,
        "engine, box": boxed,
    }
    seconds, labels = {}, {}
    for name, run in runs.items():
        seconds[name], labels[name] = _best(run, options.repeats)
    seconds["loop"], labels["loop"] = _loop(segmenter, image, options.loop_share)
    engine, whole = seconds["engine"], _on_prepared_grid(segmenter, volume, labels["engine"], image)
    for name in ("loop", "MONAI, patch", "MONAI, 96", "engine", "engine, box"):
        agreement = _agreement(labels[name], whole) if name in ("loop", "MONAI, patch", "MONAI, 96") else ""
        ratio = seconds[name] / engine, seconds[name] / seconds["engine, box"]
        print(f"{name:14} {seconds[name]:9.1f} s   {ratio[0]:6.1f} x engine {ratio[1]:6.1f} x with a box   {agreement}")


def monai_labels(segmenter: Segmenter, image: torch.Tensor, window: tuple[int, int, int]) -> np.ndarray:
    """Labels on the prepared grid by MONAI: all heads joined, then decided."""
    device = choose_device(MachineConfig(threads=torch.get_num_threads()))

    def heads(patches: torch.Tensor) -> torch.Tensor:
        with device.autocast():
            return torch.cat(list(segmenter.network(patches)), 1).float()

    with torch.inference_mode():
        joined = sliding_window_inference(image[None], window, 4, heads, overlap=0.5, mode="gaussian")
    return joined[0].chunk(3)[0].argmax(0).numpy()


def _loop(segmenter: Segmenter, image: torch.Tensor, share: float) -> tuple[float, np.ndarray]:
    """Seconds of all windows, by those of some, and the labels where these lie (-1 elsewhere)."""
    size = image.shape[1:]
    pads = [max(FIELD_WINDOW - count, 0) for count in size]
    scan = np.pad(image[0].numpy(), [(pad // 2, pad - pad // 2) for pad in pads], constant_values=float(image.min()))
    # Width and height first, as the loop has them; D is the axis of the small stride.
    along = [
        [min(step * stride, count - FIELD_WINDOW) for step in range(math.ceil((count - FIELD_WINDOW) / stride) + 1)]
        for count, stride in zip(scan.shape, FIELD_STRIDE[::-1], strict=True)
    ]
    places = [(d, h, w) for h in along[1] for w in along[2] for d in along[0]]
    some = places[: max(1, round(share * len(places)))]
    classes = segmenter.package.architecture.classes
    scores, counts = np.zeros((classes, *scan.shape), np.float32), np.zeros(scan.shape, np.float32)
    start = time.process_time()
    for place in some:
        here = tuple(slice(start, start + FIELD_WINDOW) for start in place)
        patch = torch.from_numpy(scan[here][None, None].astype(np.float32))
        with torch.no_grad(), choose_device(MachineConfig(threads=torch.get_num_threads())).autocast():
            logits = segmenter.network(patch).segmentation
        scores[(slice(None), *here)] += torch.softmax(logits.float(), 1).cpu().numpy()[0]
        counts[here] += 1
    seconds = (time.process_time() - start) * len(places) / len(some)
    core = tuple(slice(pad // 2, pad // 2 + count) for pad, count in zip(pads, size, strict=True))
    # Where all windows that will ever reach a voxel were computed, the labels are those of the whole loop.
    final = counts == _all_counts(scan.shape, places)
    print(f"loop: {len(some)} of {len(places)} windows measured, final in {100 * final[core].mean():.0f} % of the scan")
    return seconds, np.where(final, scores.argmax(0), -1)[core]


def _all_counts(shape: tuple[int, ...], places: list[tuple[int, int, int]]) -> np.ndarray:
    counts = np.zeros(shape, np.float32)
    for place in places:
        counts[tuple(slice(start, start + FIELD_WINDOW) for start in place)] += 1
    return counts


def _boxed(segmenter: Segmenter, volume: Volume, share: float) -> Callable[[], Any]:
    """Segmenting as after a coarse network: its scan prepared, its window computed, then a box of the scan."""
    shape = Orientation.of(volume.grid.direction).to_canonical(volume.voxels).shape
    sides = [max(1, round(count * share ** (1 / 3))) for count in shape]
    start = [(count - side) // 2 for count, side in zip(shape, sides, strict=True)]
    box = Box(tuple(start), tuple(np.add(start, sides).tolist()))  # type: ignore[arg-type]
    spacing = np.array(volume.grid.spacing_mm) * (volume.voxels.size / COARSE_VOXELS) ** (1 / 3)
    coarse = Preprocessing(tuple(spacing.tolist()), "zscore")

    def run() -> None:
        small = torch.from_numpy(coarse.prepare_image(volume))
        segmenter.window.logits(segmenter.network, small, [0.0])
        find, segmenter.boxes = segmenter.boxes, lambda *_: [box]  # type: ignore[method-assign]
        try:
            segmenter.predict(volume)
        finally:
            segmenter.boxes = find  # type: ignore[method-assign]

    return run


def _on_prepared_grid(segmenter: Segmenter, volume: Volume, labels: np.ndarray, image: torch.Tensor) -> np.ndarray:
    """Labels of the engine as class indices on the prepared grid."""
    values = [label.value for label in segmenter.package.labels]
    return segmenter.package.preprocessing.prepare_labels(Volume(labels, volume.grid), values)


def _agreement(first: np.ndarray, second: np.ndarray) -> str:
    """Dice of two label maps, where the first is known."""
    known = first >= 0
    scores = dice_per_class(first[known], second[known], int(second.max(initial=1)) + 1)
    return f"Dice {np.nanmean(scores):.4f} with the engine"


def memory(options: argparse.Namespace) -> None:
    """Peak of processes of their own."""
    args = [sys.executable, __file__, "child"]
    given = [
        options.model,
        options.scan,
        "--tiles",
        ",".join(map(str, options.tiles)),
        "--threads",
        str(options.threads),
    ]
    with tempfile.TemporaryDirectory() as folder:
        peaks = {
            name: measured([*args, *given, "--run", name], Path(folder) / f"{name}.txt").peak_mib
            for name in ("nothing", "monai", "engine")
        }
    alone = peaks.pop("nothing")
    print(f"imports, model and scan: {alone:.0f} MiB")
    for name, peak in peaks.items():
        print(f"{name}: {peak - alone:.0f} MiB more")


def child(options: argparse.Namespace) -> None:
    """One run in a process of its own."""
    segmenter, volume = _segmenter(options), _tiled(options)
    if options.run == "engine":
        segmenter.predict(volume)
    elif options.run == "monai":
        image = segmenter.prepared(volume)
        monai_labels(segmenter, image, segmenter.package.architecture.patch_size_kji)


def large(options: argparse.Namespace) -> None:
    """A job of one large made-up scan, all of it looked at by a network of random weights."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        spacing = (0.8, 0.8, 1.0)
        _write_random_model(folder / "model", options.classes, spacing)
        _write_noise(folder / "scan.nrrd", options.size, spacing)
        program = Path(__file__).resolve().parents[1] / "CoraNetSlicer" / "coranet" / "__main__.py"
        imports = "import sys; sys.path.insert(0, sys.argv[1]); import coranet.segmentation, coranet.job_process.worker"
        alone = measured([sys.executable, "-c", imports, program.parents[1]], folder / "imports.txt")
        args = ["segment", folder / "scan.nrrd", "--model", folder / "model", "--output", folder / "job"]
        settings = ["--set", f"machine.threads={options.threads}", "--set", "regions=false"]
        cost = measured([sys.executable, program, *args, *settings], folder / "segment.txt")
        result = Job.open(folder / "job").prediction("scan").read_result()
    print(f"{options.size} voxels, {options.classes} classes, three heads; seconds: {result['seconds']}")
    print(f"{cost.seconds:.0f} s in all, {cost.processor_seconds:.0f} s of the processor")
    print(f"peak {cost.peak_mib:.0f} MiB, {cost.peak_mib - alone.peak_mib:.0f} MiB beyond the imports")


def many(options: argparse.Namespace) -> None:
    """A job of small cases: what it takes beyond the computation."""
    scans = sorted(Path(options.scan).glob("*.nrrd"))
    cases = tuple(
        Case(f"case{number:03d}", Role.INPUT, str(scans[number % len(scans)])) for number in range(options.cases)
    )
    config = SegmentConfig(options.model, machine=MachineConfig(threads=options.threads))
    segmenter = _segmenter(options)
    volumes = [read_image(case.image) for case in cases]
    segmenter.predict(volumes[0])
    start = time.process_time()
    for volume in volumes:
        segmenter.predict(volume)
    computing = time.process_time() - start
    with tempfile.TemporaryDirectory() as folder:
        job = Job.create(Path(folder) / "job", JobKind.SEGMENT, config, Datalist(cases))
        start = time.process_time()
        run_segmentation_job(job, False, Reporter(lambda event: None, lambda: False))
        total = time.process_time() - start
        stages = [job.prediction(case.id).read_result()["seconds"] for case in cases]
    more = 100 * (total / computing - 1)
    print(f"{len(cases)} cases: {total:.1f} s of the processor, computing alone {computing:.1f} s; {more:.0f} % more")
    print({name: round(sum(stage.get(name, 0.0) for stage in stages), 2) for name in stages[0]}, "s by the clock")


def doubt(options: argparse.Namespace) -> None:
    """What an error model adds to the time of a segmentation."""
    volume, seconds = _tiled(options), {}
    for kind in ("heads", "auto"):
        segmenter = _segmenter(options, kind)
        seconds[kind], _ = _best(partial(segmenter.predict, volume), options.repeats)
    more = 100 * (seconds["auto"] / seconds["heads"] - 1)
    print(
        f"{volume.voxels.shape} voxels: {seconds['heads']:.2f} s of the processor with the doubt of the heads, "
        f"{seconds['auto']:.2f} s with that of the error model; {more:.0f} % more"
    )


def _segmenter(options: argparse.Namespace, kind: str = "heads") -> Segmenter:
    machine = MachineConfig(threads=options.threads)
    config = SegmentConfig(options.model, inference=InferenceConfig(doubt=kind), machine=machine)
    segmenter = Segmenter(config, Reporter(lambda event: None, lambda: False))
    segmenter.kept = replace(segmenter.kept, label_values=())
    return segmenter


def _tiled(options: argparse.Namespace) -> Volume:
    scan = read_image(options.scan)
    sizes = [count * tiles for count, tiles in zip(scan.voxels.shape, options.tiles, strict=True)]
    pads = [(0, size - count) for size, count in zip(sizes, scan.voxels.shape, strict=True)]
    grid = Grid(tuple(sizes[::-1]), scan.grid.spacing_mm, scan.grid.origin_mm, scan.grid.direction)  # type: ignore[arg-type]
    return Volume(np.pad(scan.voxels, pads, mode="symmetric"), grid)


def _best(run: Callable[[], Any], repeats: int) -> tuple[float, Any]:
    seconds, result = math.inf, None
    for _ in range(repeats):
        start = time.process_time()
        result = run()
        seconds = min(seconds, time.process_time() - start)
    return seconds, result


def _write_random_model(folder: Path, classes: int, spacing_mm: tuple[float, float, float]) -> None:
    torch.manual_seed(0)
    architecture = Architecture(
        "vnet", classes, 8, "batch", (48, 64, 64), ((2, 2, 2),) * 3, ((3, 3, 3),) * 4, decoders="branches"
    )
    labels = tuple(Label(value, f"structure {value}") for value in range(1, classes))
    ModelPackage(folder, architecture, Preprocessing(spacing_mm, "zscore"), labels).write(CoraNet(architecture))


def _write_noise(path: Path, size_ijk: tuple[int, int, int], spacing_mm: tuple[float, float, float]) -> None:
    voxels = np.empty(size_ijk[::-1], dtype=np.int16)
    random = np.random.default_rng(0)
    for row in voxels:
        row[:] = random.normal(0, 300, row.shape)
    write_volume(path, voxels, Grid(size_ijk, spacing_mm, (0.0, 0.0, 0.0), (1.0, 0, 0, 0, 1, 0, 0, 0, 1)))


def _numbers(text: str) -> tuple[int, int, int]:
    first, second, third = (int(part) for part in text.split(","))
    return first, second, third


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("speed", "memory", "large", "many", "doubt", "child"))
    parser.add_argument("model", nargs="?")
    parser.add_argument("scan", nargs="?")
    parser.add_argument("--tiles", type=_numbers, default=(3, 3, 3), help="along k, j, i")
    parser.add_argument("--loop-share", type=float, default=0.05)
    parser.add_argument("--box-share", type=float, default=0.05)
    parser.add_argument("--size", type=_numbers, default=(512, 512, 466), help="along i, j, k")
    parser.add_argument("--classes", type=int, default=5)
    parser.add_argument("--cases", type=int, default=50)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--run", choices=("nothing", "monai", "engine"), default="nothing")
    return parser.parse_args()


if __name__ == "__main__":
    main()
