"""An experiment without torch: jobs that end at once, with events and figures as a training and a test leave them."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scans import grid_of, labels_on, scan_on

from coranet.contract import Job, JobKind, ProcessIdentity, Role, read_datalist, write_json_atomic
from coranet.contract.config import TrainConfig
from coranet.contract.events import Failed, Finished, Losses, SnapshotSaved, Started, Validation, Warned
from coranet.volume import write_volume
from coranet_experiments.plan import Question, read_variants
from coranet_experiments.runner import RunnerContext

GAIN = {"supervised": 0.0, "coranet": 0.06, "mean_teacher": 0.03, "fully_supervised": 0.1}
GONE = ProcessIdentity(2**22 + 1, "", 0.0)


class EndedProcess:
    """A process that had nothing to wait for."""

    pid = GONE.pid

    def __init__(self, exit_code: int = 0) -> None:
        self._exit_code = exit_code

    def poll(self) -> int:
        return self._exit_code


def scans_in(folder: Path, labeled: int = 5, unlabeled: int = 3, test: int = 4) -> Path:
    """A dataset.json with scans on an oblique grid; `truth` holds the labels of the unlabeled ones."""
    grid = grid_of()
    rows: dict[str, list] = {"training": [], "unlabeled": [], "test": []}
    roles = ["training"] * labeled + ["unlabeled"] * unlabeled + ["test"] * test
    for number, role in enumerate(roles, start=1):
        scan, labels = scan_on(grid, number), labels_on(grid)
        image, place = f"images/image{number:03d}.nrrd", "truth" if role == "unlabeled" else "labels"
        label = f"{place}/label{number:03d}.nrrd"
        write_volume(folder / image, scan.voxels + 80 * (labels.voxels > 0), grid)
        write_volume(folder / label, labels.voxels.astype(np.uint8), grid)
        rows[role].append({"image": image} if role == "unlabeled" else {"image": image, "label": label})
    content = {"labels": {"0": "background", "1": "organ", "7": "Läsion"}, **rows}
    write_json_atomic(folder / "dataset.json", content)
    return folder / "dataset.json"


def question_of(datalist: Path, folder: Path, methods: str = "supervised,coranet", **changes) -> Question:
    """What `experiment` asks for, with the preset quick."""
    settings = {"seeds": [0], "labeled": [None], "preset": "quick", **changes}
    return Question(datalist=read_datalist(datalist), variants=read_variants(methods), folder=folder, **settings)


def context_of(
    start: Callable[[Job, bool], object], lines: list[str], wait: Callable[[], object] = lambda: None
) -> RunnerContext:
    """Nothing is waited for; lines are kept."""
    return RunnerContext(start, lines.append, wait)


def finish(job: Job, resume: bool = False) -> EndedProcess:
    """Leave what a process leaves that did the whole job."""
    _claim(job)
    if job.kind is JobKind.TRAIN:
        _train(job)
    else:
        _test(job)
    return EndedProcess()


def fail(job: Job, resume: bool = False) -> EndedProcess:
    """Leave what a process leaves that could not do the job."""
    _claim(job)
    _write_events(job, [(1.0, Started(0, 900, "CPU (1 thread)", "0.1")), (2.0, Failed("the disk is full."))])
    return EndedProcess(7)


def _claim(job: Job) -> None:
    job.beat(GONE.__class__(GONE.pid, ProcessIdentity.of_this_process().host, 0.0))


def _write_events(job: Job, events: list[tuple[float, object]]) -> None:
    clock = iter([at for at, _ in events])
    writer = job.open_events()
    clock_of = writer.__class__(job.events_path, lambda: next(clock))
    writer.close()
    for _, event in events:
        clock_of.write(event)
    clock_of.close()


def _train(job: Job) -> None:
    config = job.read_config()
    assert isinstance(config, TrainConfig)
    level = _level_of(job)
    total = config.training.pretraining_steps + config.training.self_training_steps
    rng = np.random.default_rng(config.seed)
    events: list[tuple[float, object]] = [(100.0, Started(0, total, "CPU (1 thread)", "0.1"))]
    for step in range(10, total + 1, 10):
        share = step / total
        late = step > config.training.pretraining_steps
        loss = float(np.exp(-3 * share) + 0.05 * rng.random())
        values = (loss, loss, 0.4 * loss * late, 0.1 * loss * late, 0.03 * (1.2 - share) * late, 1e-3)
        events.append((100.0 + step / 10, Losses(step, "self-training" if late else "pretraining", *values)))
        if step % 100 == 0:
            dice = level * (1 - float(np.exp(-5 * share)))
            events.append((100.0 + step / 10, Validation(step, {"organ": dice, "Läsion": dice}, dice, True)))
            events += [(100.0 + step / 10, event) for event in _snapshot(job, config, step, share)]
    events.append((200.0, Warned("label_absent", "no labeled case has 'Läsion', so it cannot be learned.")))
    events.append((200.0, Finished("the model is in 'model'.", 100.0)))
    job.last_checkpoint_path.parent.mkdir(parents=True, exist_ok=True)
    job.last_checkpoint_path.touch()
    _write_events(job, events)


def _snapshot(job: Job, config: TrainConfig, step: int, share: float) -> list[SnapshotSaved]:
    cases = job.read_datalist().with_role(Role.UNLABELED)
    if not cases or config.training.method != "coranet":
        return []
    grid = grid_of()
    regions = labels_on(grid).voxels
    regions = np.where(regions == 7, 2, regions).astype(np.uint8)
    k, j, i = np.indices(regions.shape)
    ring = np.hypot((j - 5.5) / 6, (i - 7) / 7.5)
    regions[(np.abs(ring - share * 0.7) < 0.12) & (regions > 0)] = 255
    path = job.snapshot_path(cases[0].id, step)
    write_volume(path, regions, grid)
    return [SnapshotSaved(step, cases[0].id, path.relative_to(job.folder).as_posix(), float((regions == 255).mean()))]


def _level_of(job: Job) -> float:
    config = job.read_config()
    assert isinstance(config, TrainConfig)
    datalist = job.read_datalist()
    method = config.training.method if datalist.with_role(Role.UNLABELED) else "fully_supervised"
    return 0.75 + GAIN.get(method, 0.01) + 0.01 * len(datalist.with_role(Role.TRAINING)) + 0.004 * config.seed


def _test(job: Job) -> None:
    config = job.read_config()
    training = Job.open(config.model)
    assert training.status().value == "finished", "a test began before its training was over"
    level = _level_of(training)
    cases = {case.id: _figures(level, case.id) for case in job.read_datalist().with_role(Role.TEST)}
    curve = _curve(level)
    mean = {"mean_dice": level, "coverage_curve": curve}
    if config.compare_uncertainties:
        mean["uncertainties"] = {
            name: {"csi": csi, "error_coverage": csi + 0.3, "flagged_share": 0.02, "coverage_curve": _curve(csi + 0.5)}
            for name, csi in (("coranet", 0.4), ("softmax_0.7", 0.3), ("dropout", 0.25), ("chance", -0.2))
        }
    write_json_atomic(job.metrics_path, {"schema_version": 1, "cases": cases, "mean": mean})
    _write_events(
        job, [(300.0, Started(0, len(cases), "CPU (1 thread)", "0.1")), (301.0, Finished("test Dice: high.", 1.0))]
    )


def _figures(level: float, case: str) -> dict:
    shift = 0.02 * (zlib.crc32(case.encode()) % 7 - 3)
    organ, lesion = level + shift, None if case.endswith("10") else level - 0.05 + shift
    return {
        "dice": {"organ": organ, "Läsion": lesion},
        "hd95_mm": {"organ": 4 * (1 - organ), "Läsion": 5.0},
        "outside_share": 0.001, "error_coverage": 0.6 + level / 5, "flagged_share": 0.03, "csi": 0.3 + shift,
        "coverage_curve": _curve(level),
    }  # fmt: skip


def _curve(level: float) -> dict[str, float]:
    return {str(share): float(1 - np.exp(-25 * level * share)) for share in (0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2)}
