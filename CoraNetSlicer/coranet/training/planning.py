"""What a training decides before its first step: validation cases, preprocessing, network, patch and batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..config import TrainConfig
from ..data.cache import read_labeled_pair
from ..data.datalist import with_validation_cases
from ..data.preprocessing import Preprocessing, ScanStatistics, fit_preprocessing, median_prepared_size
from ..devices import Device, free_memory_bytes
from ..errors import DataError, JobError, ModelError
from ..events import Noted, Warned
from ..job import Datalist, Job, Role
from ..methods import METHODS
from ..networks import Architecture, backbone_reason, plan_architecture
from ..networks.architecture import product
from ..reporting import Reporter
from .memory import BatchSizes, MemoryPlan, activation_bytes_per_voxel, plan_memory, wished_batch_sizes

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Plan:
    """What was decided.

    Attributes:
        preprocessing: of every scan.
        architecture: of the network; says the patch size.
        spacing_dhw: of the median prepared scan, mm.
        batch_sizes: labeled and unlabeled patches a step, in each process.
    """

    preprocessing: Preprocessing
    architecture: Architecture
    spacing_dhw: tuple[float, float, float]
    batch_sizes: BatchSizes

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {
            "schema_version": SCHEMA_VERSION,
            "preprocessing": self.preprocessing.to_dict(),
            "architecture": self.architecture.to_dict(),
            "spacing_dhw": list(self.spacing_dhw),
            "batch_sizes": list(self.batch_sizes),
        }

    @staticmethod
    def from_dict(content: dict[str, Any]) -> Plan:
        """The inverse of `to_dict`.

        Raises:
            JobError: it was written by another version.
        """
        try:
            if content["schema_version"] != SCHEMA_VERSION:
                raise ValueError(f"schema version {content['schema_version']}")
            depth, height, width = content["spacing_dhw"]
            return Plan(
                Preprocessing.from_dict(content["preprocessing"]), Architecture.from_dict(content["architecture"]),
                (depth, height, width), BatchSizes(*content["batch_sizes"]),
            )  # fmt: skip
        except (KeyError, TypeError, ValueError, ModelError) as error:
            raise JobError(f"the plan of this training cannot be read ({error}); start a new job.") from error


def checked_datalist(job: Job, config: TrainConfig, reporter: Reporter, may_write: bool) -> Datalist:
    """The cases of a job, with some set aside for validation where the list names none.

    Args:
        job: its directory.
        config: of the training.
        reporter: is told of what is thin.
        may_write: keep the list with its validation cases in the job.

    Raises:
        DataError: no labeled case, no label, or a file that does not exist.
    """
    datalist = job.read_datalist()
    labeled = datalist.with_role(Role.TRAINING)
    if not labeled:
        raise DataError(f"the datalist of '{job.folder}' has no labeled case; add at least one to 'training'.")
    if not datalist.labels:
        raise DataError(f"the datalist of '{job.folder}' names no label; add at least one.")
    for path in (path for case in datalist.cases for path in (case.image, case.label, case.known) if path):
        if not Path(path).exists():
            raise DataError(f"'{path}' does not exist; correct the path in the datalist.")
    complete = with_validation_cases(datalist, config.data.validation_cases, config.seed)
    if complete != datalist and may_write:
        job.write_datalist(complete)
    _warn_of_thin_data(complete, config, reporter)
    return complete


def plan_training(
    config: TrainConfig, datalist: Datalist, device: Device, reporter: Reporter, processes: int = 1
) -> Plan:  # fmt: skip
    """Choose preprocessing, network, patch and batch sizes from the labeled scans and the free memory.

    Args:
        config: of the training.
        datalist: the cases.
        device: where to compute.
        reporter: is told what was decided.
        processes: that share the memory of the machine.

    Raises:
        DataError: a labeled scan cannot be used.
    """
    scans = _scan_statistics(datalist, reporter)
    preprocessing = fit_preprocessing(config.data, scans)
    size, spacing = median_prepared_size(preprocessing, scans), preprocessing.spacing_mm[::-1]
    classes = len(datalist.labels) + 1
    reporter.emit(Noted("backbone", f"{backbone_reason(config.network, size, spacing)}."))
    architecture = plan_architecture(config.network, config.data, size, spacing, classes)
    memory = _plan_memory(config, datalist, architecture, device, processes)
    if memory.lowered:
        reporter.emit(Noted("memory", memory.lowered))
        architecture = plan_architecture(config.network, config.data, size, spacing, classes, memory.patch_voxels)
    patch = " x ".join(str(count) for count in architecture.patch_size_kji)
    labeled, unlabeled = memory.batch_sizes
    reporter.emit(
        Noted("patch", f"patches of {patch} voxels (up-down, front-back, left-right), {labeled} + {unlabeled} a step.")
    )
    return Plan(preprocessing.keeping_slices(architecture.slice_axis), architecture, spacing, memory.batch_sizes)


def _plan_memory(
    config: TrainConfig, datalist: Datalist, architecture: Architecture, device: Device, processes: int
) -> MemoryPlan:  # fmt: skip
    uses_unlabeled = METHODS[config.training.method].uses_unlabeled and bool(datalist.without_all_labels())
    wished = wished_batch_sizes(config.training, architecture.slice_axis is not None, uses_unlabeled)
    free = free_memory_bytes(device)
    if free is not None and device.torch_device.type != "cuda":
        free //= processes
    return plan_memory(
        free,
        activation_bytes_per_voxel(architecture, device),
        product(architecture.patch_size_kji),
        wished,
        (config.data, config.training),
    )


def _scan_statistics(datalist: Datalist, reporter: Reporter) -> Sequence[ScanStatistics]:
    values = [label.value for label in datalist.labels]
    scans: list[ScanStatistics] = []
    seen: set[int] = set()
    for case in datalist.with_role(Role.TRAINING):
        reporter.stop_if_asked()
        image, labels = read_labeled_pair(case, values)
        seen.update(value for value in values if (labels.voxels == value).any())
        scans.append(ScanStatistics.of(image, labels))
    for label in datalist.labels:
        if label.value not in seen:
            reporter.emit(Warned("label_absent", f"no labeled case has '{label.name}', so it cannot be learned."))
    return scans


def _warn_of_thin_data(datalist: Datalist, config: TrainConfig, reporter: Reporter) -> None:
    if not datalist.with_role(Role.VALIDATION):
        reporter.emit(
            Warned(
                "no_validation",
                "no labeled case is set aside for validation, so the model of the last step is kept; "
                "label at least 5 cases to have the best one chosen.",
            )
        )  # fmt: skip
    if not datalist.without_all_labels() and config.training.method != "supervised":
        reporter.emit(Warned("no_unlabeled", "there is no unlabeled case; training is supervised only."))
