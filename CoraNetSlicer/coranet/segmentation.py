"""A segmentation job: each scan through the network and back onto its own grid, voxel for voxel."""

from __future__ import annotations

import platform
import time
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from . import __version__
from .config import SegmentConfig
from .data.orientation import Orientation
from .data.resampling import resample
from .devices import choose_device
from .errors import CoraNetError, DataError, JobCancelled, JobError
from .events import CaseDone, CaseFailed, Progress, Started, Warned
from .inference import SlidingWindow
from .job import Case, Job, Label, PredictionFiles, write_json_atomic
from .model_package import ModelPackage
from .networks import HeadLogits
from .reporting import Reporter
from .uncertainty import uncertainty_map
from .volume import Volume, read_image, write_volume

SCHEMA_VERSION = 1
SEGMENTING = "segmenting"
# Voxels of the output grid that are finished at once; bounds the memory for logits at full resolution.
_SLAB_VOXELS = 2_000_000

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Prediction:
    """Results on the scan's own grid, each (k, j, i).

    Attributes:
        segmentation, conservative, radical: label values of the three heads.
        uncertain: uint8, 1 where the conservative and the radical head name different labels.
        uncertainty: float32 in [0, 1], at least 0.5 exactly where `uncertain` is 1.
    """

    segmentation: Array
    conservative: Array
    radical: Array
    uncertain: Array
    uncertainty: Array


class Segmenter:
    """A model that is loaded once and applied to many scans."""

    def __init__(self, config: SegmentConfig, reporter: Reporter) -> None:
        """Load the model.

        Raises:
            ModelError, DeviceError: the model or the device cannot be used.
        """
        device = choose_device(config.machine)
        self.package = ModelPackage.read(config.model)
        self.device_name = device.name
        self._network = self.package.load_network(device)
        self._window = SlidingWindow.of(self.package.architecture, config.inference, device, reporter.stop_if_asked)

    def predict(self, volume: Volume) -> Prediction:
        """Segment one scan."""
        image = torch.from_numpy(np.ascontiguousarray(self.package.preprocessing.prepare_image(volume)))
        logits = self._window.logits(self._network, image, float(image.min()))
        return on_own_grid(logits, volume, self.package.labels)


def on_own_grid(logits: HeadLogits, volume: Volume, labels: tuple[Label, ...]) -> Prediction:
    """Bring logits back to a scan's grid and decide there.

    Args:
        logits: of the prepared scan, each (K, D, H, W).
        volume: the scan.
        labels: of classes 1, 2, ...
    """
    orientation = Orientation.of(volume.grid.direction)
    size = orientation.to_canonical(volume.voxels).shape
    values = np.array([0, *(label.value for label in labels)])
    values = values.astype(np.uint8 if values.max() < 256 else np.uint16)
    heads = [np.empty(size, dtype=values.dtype) for _ in logits]
    uncertainty = np.empty(size, dtype=np.float32)
    rows = max(1, _SLAB_VOXELS // (size[1] * size[2]))
    for start in range(0, size[0], rows):
        slab = range(start, min(start + rows, size[0]))
        here = HeadLogits(*(resample(head, size, slab)[None] for head in logits))
        for result, head in zip(heads, here, strict=True):
            result[slab.start : slab.stop] = values[head[0].argmax(0).numpy()]
        uncertainty[slab.start : slab.stop] = uncertainty_map(here.conservative, here.radical)[0].numpy()
    uncertain = (heads[1] != heads[2]).astype(np.uint8)
    return Prediction(
        *(np.ascontiguousarray(orientation.from_canonical(one)) for one in (*heads, uncertain, uncertainty))
    )


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
        "uncertain_ml": float(prediction.uncertain.sum() * volume.grid.voxel_ml),
        "seconds": {key: round(value, 3) for key, value in seconds.items()},
        "versions": {"coranet": __version__, "torch": torch.__version__, "python": platform.python_version()},
    }
    # Last: where the result is, the case is complete.
    write_json_atomic(files.result, result)
    for label in labels:
        if not volumes_ml[label.name]["segmentation"]:
            reporter.emit(Warned("nothing_found", f"no '{label.name}' was found in '{case.id}'."))


def arrays_of(prediction: Prediction) -> dict[str, Array]:
    """The arrays by name, without copying them."""
    return {name: getattr(prediction, name) for name in Prediction.__dataclass_fields__}


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
