"""The job directory. Only this file knows the names of a job's files.

docs/reference/job-directory.md is the contract. Reader and writer may be different processes on different days.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Optional, Union

from .. import __version__
from .config import SegmentConfig, TrainConfig
from .datalist import Datalist
from .errors import JobError, JobTakenError, StorageError, storage_error
from .event_tail import read_last_event
from .events import Cancelled, Event, EventWriter, Failed, Finished, read_events
from .files import read_json, write_json_atomic
from .heartbeat import HEARTBEAT_INTERVAL_S, SILENCE_S
from .prediction_files import PredictionFiles
from .process import ProcessIdentity
from .process_record import ProcessRecord, claim_files
from .status import JobKind, JobStatus

SCHEMA_VERSION = 1
__all__ = ["HEARTBEAT_INTERVAL_S", "SCHEMA_VERSION", "SILENCE_S", "Config", "Job"]

Config = Union[TrainConfig, SegmentConfig]

# Jobs of before 0.2 have no identifier of their own; what they have instead is made in this name space.
_EARLIER_JOBS = uuid.UUID("6f0a4a0e-3a53-4b0e-9d0c-0f6a6d1f3c55")

_STATUS_OF_FINAL_EVENT = {Finished: JobStatus.FINISHED, Failed: JobStatus.FAILED, Cancelled: JobStatus.CANCELLED}


class Job:
    """A job directory that exists. Make one with `create`, come back to one with `open`.

    Attributes:
        folder: where it lies now.
        kind: what it does.
        identifier: a UUID, by which the job is known wherever its folder is moved, copied or renamed to; "" before it
            is created.
    """

    def __init__(self, folder: Path, kind: JobKind, identifier: str = "") -> None:
        self.folder = folder
        self.kind = kind
        self.identifier = identifier
        self._record = ProcessRecord(folder, self.events_path)

    # -- making and finding ------------------------------------------------------------------------------------------

    @staticmethod
    def create(folder: str | Path, kind: JobKind, config: Config, datalist: Datalist) -> Job:
        """Write a new job directory.

        Args:
            folder: where; may exist, but must not hold a job yet.
            kind: what the job does; `config` must be of that kind.
            config: the whole resolved configuration.
            datalist: the cases.

        Raises:
            JobError: the folder holds a job already.
            StorageError: the folder cannot be written.
        """
        job = Job(Path(folder).absolute(), kind)
        job._require_new()
        try:
            job.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise storage_error(job.folder, error) from error
        with job._record.reserved():
            job._require_new()
            write_json_atomic(job._config_path, config.to_dict())
            write_json_atomic(job._datalist_path, datalist.to_dict())
            # Last: a folder without job.json is not a job, so a half-made one is never mistaken for a whole one.
            job._write_description()
        return job

    @staticmethod
    def exists(folder: str | Path) -> bool:
        """Whether `folder` holds a job."""
        return (Path(folder) / "job.json").is_file()

    @staticmethod
    def folders_in(folder: Path) -> list[Path]:
        """The folders in a folder that hold jobs, by name; none where it cannot be looked into."""
        try:
            return sorted(path for path in folder.iterdir() if Job.exists(path))
        except OSError:
            return []

    @staticmethod
    def open(folder: str | Path) -> Job:
        """Come back to a job.

        Raises:
            JobError: there is no job, or it was written by a version with another schema.
        """
        path = Path(folder).absolute() / "job.json"
        content = read_json(path)
        known = {"schema_version", "kind", "engine_version", "created"}
        if not isinstance(content, dict) or not known <= set(content):
            raise JobError(f"'{path}' must have the keys {sorted(known)}; it is not the description of a job.")
        if content["schema_version"] != SCHEMA_VERSION:
            raise JobError(
                f"'{path}' has schema version {content['schema_version']!r}, expected {SCHEMA_VERSION}; "
                f"open it with CoraNet {content['engine_version']}."
            )
        if content["kind"] not in [kind.value for kind in JobKind]:
            raise JobError(f"'{path}' has the unknown kind {content['kind']!r}; it was not written by this version.")
        return Job(path.parent, JobKind(content["kind"]), _identifier(content, path))

    # -- content -----------------------------------------------------------------------------------------------------

    def read_config(self) -> Config:
        """The configuration, as the class that belongs to the job's kind; see `unknown_settings`."""
        content, source = read_json(self._config_path), self._config_path
        return self._config_kind.from_dict(self._config_kind.known_part(content), source)

    def unknown_settings(self) -> list[str]:
        """Settings that another version has written and this one does not know: they have no effect here."""
        return self._config_kind.unknown_names(read_json(self._config_path))

    @property
    def _config_kind(self) -> type[Config]:
        return TrainConfig if self.kind is JobKind.TRAIN else SegmentConfig

    def begin_anew(self, config: Config, datalist: Datalist) -> None:
        """Give a job that ended before it made anything another configuration and other cases.

        Raises:
            JobError: a process works on the job, or there is something that would be lost.
        """
        products = (self.last_checkpoint_path, self.coarse_checkpoint_path, self.model_folder, self._predictions_folder)
        self.claim()
        if any(path.exists() for path in products):
            raise JobError(f"'{self.folder}' already holds a job; choose a new folder, or add --resume to continue it.")
        write_json_atomic(self._config_path, config.to_dict())
        self.write_datalist(datalist)
        # With other cases, what was known of the earlier ones does not hold.
        self._write_description()

    def read_datalist(self) -> Datalist:
        """The cases; relative paths are completed with the job's folder."""
        return self.read_relative_datalist().with_absolute_paths(self.folder)

    def read_relative_datalist(self) -> Datalist:
        """The cases as they were written: what was exported for the job has a path that starts at its folder."""
        return Datalist.from_dict(read_json(self._datalist_path), source=self._datalist_path)

    def write_datalist(self, datalist: Datalist) -> None:
        """Replace the cases; what a later version has added to the file stays."""
        before = read_json(self._datalist_path) if self._datalist_path.exists() else None
        write_json_atomic(self._datalist_path, datalist.to_dict_keeping(before))

    def read_events(self) -> list[Event]:
        """All events so far."""
        return read_events(self.events_path)

    def open_events(self) -> EventWriter:
        """A writer that appends to the job's events."""
        return EventWriter(self.events_path)

    def add_event(self, event: Event) -> Event:
        """Append one event; returns it with its time.

        Raises:
            StorageError: the file cannot be written.
        """
        writer = self.open_events()
        try:
            return writer.write(event)
        finally:
            writer.close()

    # -- running -----------------------------------------------------------------------------------------------------

    def status(self) -> JobStatus:
        """Where the job stands, from its files alone."""
        process = self._record.read()
        if process is None:
            return JobStatus.CREATED
        if self._record.is_working(process):
            return JobStatus.RUNNING
        last = read_last_event(self.events_path) if self._record.has_reported(process) else None
        return _STATUS_OF_FINAL_EVENT.get(type(last), JobStatus.CRASHED)

    def claim(self, report: Callable[[str], object] = lambda text: None) -> ProcessIdentity:
        """Make the calling process the one that works on this job; of several that try at once, one alone.

        Args:
            report: is given a sentence where it takes long to see whether a process of another machine still works.

        Raises:
            JobError: another process works on it.
            StorageError: the folder cannot be written.
        """
        return self._record.claim(report)

    def beat(self, me: ProcessIdentity) -> None:
        """Show that the process lives; one that does not hold the job takes it.

        Raises:
            StorageError: it cannot be written, or the folder is gone.
        """
        self._record.beat(me)

    def renew(self, me: ProcessIdentity) -> None:
        """Show that the process lives, unless another process has the job now.

        Raises:
            JobTakenError: it is.
            JobError: that cannot be read now.
            StorageError: it cannot be written, or the folder is gone.
        """
        self._record.renew(me)

    def require_same(self) -> None:
        """Raise unless the folder still is that of this job; what cannot be read for a moment counts as the same.

        Raises:
            JobTakenError: another job lies there now.
            StorageError: the folder, or what makes it a job, is gone.
        """
        try:
            identifier = Job.open(self.folder).identifier
        except JobError:
            if self._job_path.exists():
                return
            raise StorageError(
                f"the folder '{self.folder}' of the job is gone; put it back, or use --resume where it is now."
            ) from None
        if identifier != self.identifier:
            raise JobTakenError(f"the folder '{self.folder}' now holds another job; this one ends.")

    def read_process(self) -> Optional[dict[str, Any]]:
        """pid, host, started, heartbeat and more of the last process that claimed the job; None before the first."""
        return self._record.read()

    def worker(self) -> Optional[ProcessIdentity]:
        """The last process that claimed the job; None before the first."""
        process = self._record.read()
        return None if process is None else ProcessIdentity.from_dict(process)

    def request_cancel(self) -> None:
        """Ask the process to stop at the next safe point."""
        try:
            self._cancel_path.touch()
        except OSError as error:
            raise storage_error(self._cancel_path, error) from error

    def withdraw_cancel(self) -> None:
        """Forget a request to stop, before the job is started again."""
        self._cancel_path.unlink(missing_ok=True)

    def cancel_requested(self) -> bool:
        """Whether the process was asked to stop."""
        return self._cancel_path.exists()

    # -- names -------------------------------------------------------------------------------------------------------

    @property
    def events_path(self) -> Path:
        """The events, events.jsonl."""
        return self.folder / "events.jsonl"

    @property
    def log_path(self) -> Path:
        """The log for people, log.txt."""
        return self.folder / "log.txt"

    @property
    def images_folder(self) -> Path:
        """Exported images, one NRRD a case, on each volume's own grid."""
        return self.folder / "images"

    @property
    def labels_folder(self) -> Path:
        """Exported label maps, one NRRD a case, on each volume's own grid."""
        return self.folder / "labels"

    @property
    def cache_folder(self) -> Path:
        """Preprocessed volumes; may be deleted at any time, is made again when needed."""
        return self.folder / "cache"

    @property
    def last_checkpoint_path(self) -> Path:
        """Everything needed to go on."""
        return self.folder / "checkpoints" / "last.pt"

    @property
    def plan_path(self) -> Path:
        """What was chosen from scans and free memory: a training that is resumed keeps to it."""
        return self.folder / "checkpoints" / "plan.json"

    @property
    def training_set_path(self) -> Path:
        """What was found in the cases of a training before it began: which are left out, and what is to be known."""
        return self.folder / "checkpoints" / "training_set.json"

    @property
    def coarse_checkpoint_path(self) -> Path:
        """Everything needed to go on with the coarse network, and its weights when it is trained."""
        return self.folder / "checkpoints" / "coarse.pt"

    @property
    def coarse_plan_path(self) -> Path:
        """What was decided on the coarse stage, and the boxes that it found in each case."""
        return self.folder / "checkpoints" / "coarse.json"

    @property
    def error_plan_path(self) -> Path:
        """How the error model is made: which cases short trainings leave out, and how long they are."""
        return self.folder / "checkpoints" / "error_model.json"

    def fold_checkpoint_path(self, number: int) -> Path:
        """Everything needed to go on with a short training, numbered from 1, and its weights when it is done."""
        return self.folder / "checkpoints" / f"fold-{number}.pt"

    @property
    def best_checkpoint_path(self) -> Path:
        """The weights that were best on the validation cases."""
        return self.folder / "checkpoints" / "best.pt"

    def snapshot_path(self, case_id: str, step: int) -> Path:
        """Snapshot of the regions of an unlabeled case at a step."""
        return self.folder / "snapshots" / case_id / f"step-{step:07d}.nrrd"

    @property
    def model_folder(self) -> Path:
        """The trained model, written when training finishes."""
        return self.folder / "model"

    @property
    def metrics_path(self) -> Path:
        """metrics.json: what an evaluation measured."""
        return self.folder / "metrics.json"

    @property
    def metrics_table_path(self) -> Path:
        """metrics.csv: the same, a row for each case and class."""
        return self.folder / "metrics.csv"

    @property
    def own_paths(self) -> tuple[Path, ...]:
        """All that a job may write, job.json first, but the exported images and labels, which the datalist names."""
        of_training = ("cache", "checkpoints", "snapshots", "model", "reviewed")
        products = of_training if self.kind is JobKind.TRAIN else ("predictions",)
        files = (self._job_path, self._config_path, self._datalist_path, self._record.path, self._cancel_path)
        claims = claim_files(self.folder)
        records = (*claims, self.events_path, self.log_path, self.metrics_path, self.metrics_table_path)
        return (*files, *records, *(self.folder / name for name in products))

    def prediction_folder(self, case_id: str) -> Path:
        """Where the results of one case lie."""
        return self._predictions_folder / case_id

    def prediction(self, case_id: str) -> PredictionFiles:
        """The files of one case's results."""
        return PredictionFiles(self.prediction_folder(case_id))

    def complete_predictions(self) -> list[PredictionFiles]:
        """The files of all cases that are complete, in the order of the datalist."""
        files = [self.prediction(case.id) for case in self.read_relative_datalist().cases]
        return [file for file in files if file.result.is_file()]

    def reviewed(self, case_id: str) -> PredictionFiles:
        """What a person has decided on a case, kept by a training that learns from it."""
        return PredictionFiles(self.folder / "reviewed" / case_id)

    @property
    def _predictions_folder(self) -> Path:
        return self.folder / "predictions"

    @property
    def _job_path(self) -> Path:
        return self.folder / "job.json"

    @property
    def _config_path(self) -> Path:
        return self.folder / "config.json"

    @property
    def _datalist_path(self) -> Path:
        return self.folder / "datalist.json"

    @property
    def _cancel_path(self) -> Path:
        return self.folder / "cancel"

    def _require_new(self) -> None:
        if Job.exists(self.folder):
            raise JobError(
                f"'{self.folder}' already holds a job; choose a new folder, or resume the job that is there."
            )

    def _write_description(self) -> None:
        self.identifier = str(uuid.uuid4())
        content = {
            "schema_version": SCHEMA_VERSION,
            "id": self.identifier,
            "kind": self.kind.value,
            "engine_version": __version__,
            "created": time.time(),
        }
        write_json_atomic(self._job_path, content)


def _identifier(content: Mapping[str, Any], source: Path) -> str:
    """The job's own, or of an earlier version's job one that depends on when it was made: it moves with its files."""
    if content.get("id") is None:
        text = "/".join(str(content[key]) for key in ("kind", "engine_version", "created"))
        # Of what is no text, too: half a surrogate pair.
        return str(uuid.uuid5(_EARLIER_JOBS, text.encode("utf-8", "backslashreplace").decode("utf-8")))
    try:
        return str(uuid.UUID(content["id"]))
    except (AttributeError, TypeError, ValueError):
        raise JobError(f"'{source}' has the id {content['id']!r}, expected a UUID; restore the file.") from None
