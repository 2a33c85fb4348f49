"""A segmentation job: each scan through the network and back onto its own grid, voxel for voxel."""

from __future__ import annotations

import platform
import time
from dataclasses import asdict

import numpy as np
import torch
from torch import Tensor

from . import __version__
from .config import SegmentConfig
from .devices import choose_device
from .errors import CoraNetError, DataError, JobCancelled, JobError, ModelError
from .events import CaseDone, CaseFailed, Progress, Started, Warned
from .inference import SlidingWindow
from .job import Case, Job, Label, PredictionFiles, write_json_atomic
from .model_package import ModelPackage
from .networks import HeadLogits
from .prediction import Prediction, arrays_of, on_own_grid
from .reporting import Reporter
from .uncertainty import uncertainty_threshold
from .volume import Volume, read_image, write_volume

SCHEMA_VERSION = 1
SEGMENTING = "segmenting"


class Segmenter:
    """A model that is loaded once and applied to many scans."""

    def __init__(self, config: SegmentConfig, reporter: Reporter) -> None:
        """Load the model.

        Args:
            config: the model, how it is applied, and where.
            reporter: says when to stop.

        Raises:
            ModelError, DeviceError: the model or the device cannot be used.
        """
        device = choose_device(config.machine)
        self.package = ModelPackage.read(config.model)
        self.device_name = device.name
        self.caution = _caution(config, self.package)
        self.network = self.package.load_network(device)
        self.window = SlidingWindow.of(self.package.architecture, config.inference, device, reporter.stop_if_asked)

    def predict(self, volume: Volume) -> Prediction:
        """Segment one scan."""
        image = self.prepared(volume)
        logits = self.window.logits(self.network, image, float(image.min()))
        return on_own_grid(logits, volume, self.package.labels, self.caution)

    def prepared(self, volume: Volume) -> Tensor:
        """A scan as the network sees it, (D, H, W), float32."""
        return torch.from_numpy(np.ascontiguousarray(self.package.preprocessing.prepare_image(volume)))


def run_segmentation_job(job: Job, resume: bool, reporter: Reporter) -> str:
    """Do a segmentation job; a case that cannot be segmented does not stop the others.

    Args:
        job: its directory.
        resume: leave out cases that are complete.
        reporter: takes events, says when to stop.

    Returns:
        A sentence about what came out.

    Raises:
        CoraNetError: the model cannot be used, or at least one case failed.
        JobCancelled: stopped on request; complete cases stay.
    """
    config = job.read_config()
    if not isinstance(config, SegmentConfig):
        raise JobError(f"'{job.folder}' is not a segmentation job.")
    cases = job.read_datalist().cases
    done = [case for case in cases if resume and job.prediction(case.id).result.exists()]
    segmenter = Segmenter(config, reporter)
    reporter.emit(Started(len(done), len(cases), segmenter.device_name, __version__))
    failures: list[str] = []
    seconds: list[float] = []
    for number, case in enumerate((case for case in cases if case not in done), start=len(done) + 1):
        reporter.stop_if_asked()
        started = time.monotonic()
        try:
            _segment_case(segmenter, case, job.prediction(case.id), reporter)
        except JobCancelled:
            raise
        except DataError as error:
            failures.append(str(error))
            reporter.emit(CaseFailed(case.id, str(error)))
        else:
            seconds.append(time.monotonic() - started)
            reporter.emit(CaseDone(case.id, number, len(cases), round(seconds[-1], 2)))
        left = (len(cases) - number) * float(np.mean(seconds)) if seconds else None
        reporter.emit(Progress(SEGMENTING, number, len(cases), left))
    return _summary(job, len(cases), failures)


def _segment_case(segmenter: Segmenter, case: Case, files: PredictionFiles, reporter: Reporter) -> None:
    files.result.unlink(missing_ok=True)
    begun = time.monotonic()
    volume = read_image(case.image)
    read = time.monotonic()
    prediction = segmenter.predict(volume)
    predicted = time.monotonic()
    for name, voxels in arrays_of(prediction).items():
        write_volume(getattr(files, name), voxels, volume.grid)
    seconds = {"read": read - begun, "predict": predicted - read, "write": time.monotonic() - predicted}
    labels = segmenter.package.labels
    volumes_ml = _volumes_ml(prediction, labels, volume.grid.voxel_ml)
    result = {
        "schema_version": SCHEMA_VERSION,
        "case": case.id,
        "image": case.image,
        "model": str(segmenter.package.folder),
        "created": time.time(),
        "labels": [asdict(label) for label in labels],
        "volumes_ml": volumes_ml,
        "caution": segmenter.caution,
        "uncertainty_threshold": uncertainty_threshold(segmenter.caution),
        "uncertain_ml": float(prediction.uncertain.sum() * volume.grid.voxel_ml),
        "seconds": {key: round(value, 3) for key, value in seconds.items()},
        "versions": {"coranet": __version__, "torch": torch.__version__, "python": platform.python_version()},
    }
    # Last: where the result is, the case is complete.
    write_json_atomic(files.result, result)
    for label in labels:
        if not volumes_ml[label.name]["segmentation"]:
            reporter.emit(Warned("nothing_found", f"no '{label.name}' was found in '{case.id}'."))


def _caution(config: SegmentConfig, package: ModelPackage) -> float:
    """Where the dial stands: as the configuration says, else as the model says, else as the heads were trained."""
    if config.inference.caution is not None:
        return config.inference.caution
    stored = package.card.get("caution")
    try:
        return float(stored or 0.0)
    except (TypeError, ValueError) as error:
        raise ModelError(
            f"the model '{package.folder}' should name a number as its caution, got {stored!r}; set inference.caution."
        ) from error


def _volumes_ml(prediction: Prediction, labels: tuple[Label, ...], voxel_ml: float) -> dict[str, dict[str, float]]:
    return {
        label.name: {
            head: float((getattr(prediction, head) == label.value).sum() * voxel_ml) for head in HeadLogits._fields
        }
        for label in labels
    }


def _summary(job: Job, count: int, failures: list[str]) -> str:
    if count == 1 and failures:
        raise DataError(failures[0])
    if failures:
        raise CoraNetError(
            f"{len(failures)} of {count} cases could not be segmented, the others are done; the first: {failures[0]}"
        )
    return f"{count} {'case is' if count == 1 else 'cases are'} segmented, in '{job.prediction_folder('').resolve()}'."
