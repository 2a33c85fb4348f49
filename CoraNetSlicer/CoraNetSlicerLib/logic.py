"""The console and batch API: train, segment, attach to jobs, load results. Names are in Slicer's camelCase.

The calls of a review are in review_console.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Optional, Union

from coranet.contract import CaseUncertainty, Job, JobKind, JobStatus, ModelCard, delete_job, input_list, rank_cases
from coranet.contract.errors import DataError, JobError

from .core.case_images import as_list, first_image, name_of_image
from .core.context import SceneContext, require_main_thread
from .core.export import (
    LabeledNodes,
    TrainingNodes,
    export_segment_job,
    export_training_job,
)  # fmt: skip
from .core.results import LoadedPrediction, mark_as_cases_of
from .core.stepwise import run_to_end
from .data.sample_data import load_phantom
from .environment.interpreter import Interpreter
from .jobs.arguments import (
    AnyJob,
    SegmentSettings,
    TrainSettings,
    as_path,
    channels_of_model,
    job_of,
    segment_config,
    train_config,
)
from .jobs.handle import JobHandle, Ticker
from .jobs.listing import JobListing, JobSummary, free_name, improved_name, segmentation_name, training_name
from .jobs.runner import JobProcess, JobRunner
from .review.hiding import show_alone
from .review.improvement import (
    PromotedCase,
    improving_config,
    known_keys,
    require_labels,
    require_training,
    take_over_files,
    with_promoted,
)
from .review.overlays import make_surfaces
from .review.result_loading import load_case
from .review.review_console import AnyCase, ReviewConsole
from .train.scene import TrainingPlot


class CoraNetLogic(ReviewConsole):
    """Everything the module does, without a window.

    Example:
        >>> logic = CoraNetLogic(SceneContext.standalone())
        >>> job = logic.train(labeled=[(volume, segmentation)], unlabeled=[other], settings={"time": "1 h"})
        >>> job.wait()
        >>> logic.loadResults(logic.segment([other], model=job))
    """

    def __init__(
        self,
        context: SceneContext,
        runner: Optional[JobRunner] = None,
        jobsFolder: Union[None, str, Path] = None,
        makeTicker: Optional[Callable[[], Ticker]] = None,
        processEvents: Optional[Callable[[], None]] = None,
    ) -> None:
        """Store what differs between the application, a terminal and a test.

        Args:
            context: the scene and its logics.
            runner: starts processes; None: with the running Python.
            jobsFolder: folder for new jobs; None: CoraNetSlicer/jobs in the home folder.
            makeTicker: creates the timer that polls a running job; None: only `wait()` and `poll()` do.
            processEvents: keeps the application alive while `wait()` blocks.
        """
        folder = Path(jobsFolder).expanduser() if jobsFolder else Path.home() / "CoraNetSlicer" / "jobs"
        super().__init__(context, folder)
        self.runner = runner or JobRunner(Interpreter.of_this_process())
        self._make_ticker = makeTicker
        self._process_events = processEvents
        self._listing = JobListing()
        # Without a reference a handle would be collected, and its callbacks would never be called.
        self._watched: list[JobHandle] = []

    def train(
        self,
        labeled: Sequence[LabeledNodes],
        unlabeled: Sequence[Any] = (),
        settings: TrainSettings = None,
        folder: Union[None, str, Path] = None,
        validation: Sequence[LabeledNodes] = (),
        segmentNames: Optional[Sequence[str]] = None,
    ) -> JobHandle:
        """Train a model in the background and return at once.

        Args:
            labeled: (volume node, segmentation node) of each labeled case. Files need not be loaded:
                ("image.nrrd", LabelFile("label.nrrd", {1: "Liver"})), with LabelFile from core.case_images. Images
                that belong together, such as T1 and FLAIR, are the channels of one case:
                ((t1, flair), segmentation), or with the names of the channels:
                ({"T1": t1, "FLAIR": flair}, segmentation).
            unlabeled: volume nodes or paths of images; with several channels (t1, flair).
            settings: None, the name of a preset, a TrainConfig, or a dictionary of settings such as {"time": "1 h"}
                or {"training.self_training_steps": 2000}, which sets steps in place of a time.
            folder: of the new job; None: a new one in `jobsFolder`.
            validation: like `labeled`, for cases that are only measured. If empty and there are 20 labeled cases or
                more, a tenth of them is set aside.
            segmentNames: the segments to learn; None: all, which must then be the same in all cases.

        Raises:
            CoraNetError: a node, a setting or the folder cannot be used; with the reason and what to do.
        """
        require_main_thread()
        config = train_config(settings)
        nodes = TrainingNodes(labeled, unlabeled, validation, segmentNames)
        target = self._folderFor(folder, training_name(nodes.segment_names or ()))
        return self.watch(self.runner.start(export_training_job(self.context, target, nodes, config)))

    def segment(
        self,
        volumeNodes: Sequence[Any],
        model: AnyJob,
        folder: Union[None, str, Path] = None,
        settings: SegmentSettings = None,
    ) -> JobHandle:
        """Segment volumes in the background and return at once; `loadResults` shows the results.

        Args:
            volumeNodes: volume nodes, or a single one. With several channels: [(t1, flair)], or by name as in `train`.
            model: a finished training (its handle or folder), or a model's folder.
            folder: of the new job; None: a new one in `jobsFolder`.
            settings: None, a SegmentConfig, or a dictionary such as {"inference.overlap": 0.25}.

        Raises:
            CoraNetError: a node, the model, a setting or the folder cannot be used.
        """
        require_main_thread()
        volumes = as_list(volumeNodes)
        config = segment_config(model, settings)
        channels = channels_of_model(config.model)
        target = self._folderFor(folder, segmentation_name([_name_of_case(images) for images in volumes]))
        return self.watch(self.runner.start(export_segment_job(target, volumes, config, channels)))

    def segmentFolder(
        self,
        inputFolder: Union[str, Path],
        outputFolder: Union[None, str, Path],
        model: AnyJob,
        settings: SegmentSettings = None,
    ) -> JobHandle:
        """Segment all images of a folder in the background, from files to files; the scene is not used.

        Args:
            inputFolder: has image files, or a subfolder for each DICOM series. The channels of a case are the files
                p01_0000, p01_0001, ...
            outputFolder: becomes the job's folder; must not hold a job yet; None: a new one in `jobsFolder`.
            model: as in `segment`.
            settings: as in `segment`.

        Raises:
            CoraNetError: there is no image, or the model, a setting or the folder cannot be used.
        """
        config = segment_config(model, settings)
        channels = channels_of_model(config.model)
        datalist = input_list([as_path(inputFolder, DataError, "a folder of images")], channels)
        target = self._folderFor(outputFolder, segmentation_name([case.id for case in datalist.cases]))
        return self.watch(self.runner.start(Job.create(target, JobKind.SEGMENT, config, datalist)))

    def attach(self, folder: AnyJob) -> JobHandle:
        """Attach to a job, running or ended, no matter where it was started.

        Raises:
            JobError: the folder holds no job of this version.
        """
        return self.watch(JobProcess(job_of(folder)))

    def jobs(self, folder: Union[None, str, Path] = None) -> list[Path]:
        """Folders of all jobs in `folder` (None: `jobsFolder`), by name; `attach` takes them."""
        root = Path(folder) if folder else self.jobsFolder
        return Job.folders_in(root)

    def jobSummaries(self) -> list[JobSummary]:
        """A summary of each job in `jobsFolder`, running ones first, then the latest; cheap to call again."""
        return self._listing.look(self.jobsFolder)

    def runningJobs(self) -> list[JobHandle]:
        """All running jobs: those that are already watched, and others in `jobsFolder`."""
        running = {job.folder: job for job in self._watched if job.status is JobStatus.RUNNING}
        for summary in self.jobSummaries():
            folder = summary.folder.absolute()
            if summary.status is JobStatus.RUNNING and folder not in running:
                running[folder] = self.attach(summary.folder)
        return list(running.values())

    def deleteJob(self, job: AnyJob) -> bool:
        """Delete a job with its model and results; other files in its folder stay.

        Returns:
            Whether its folder is gone.

        Raises:
            JobError: it is running, or the folder holds no job.
            StorageError: something could not be deleted; what remains is no longer a job.
        """
        return delete_job(job_of(job))

    def useInterpreter(self, interpreter: Interpreter) -> None:
        """Start and resume jobs with another Python from now on; running jobs are not affected."""
        self.runner = JobRunner(interpreter)

    def loadPhantom(self, labeled: int = 3, unlabeled: int = 6) -> tuple[list[tuple[Any, Any]], list[Any]]:
        """Create synthetic volumes to try everything with, and load them; takes seconds.

        Args:
            labeled: how many have a segmentation (an organ with a lesion).
            unlabeled: how many have none.

        Returns:
            Labeled cases and unlabeled volumes, as `train` takes them.

        Raises:
            CoraNetError: they could not be created.
        """
        return load_phantom(self.context, self.runner.interpreter, labeled, unlabeled)

    def loadResults(self, job: AnyJob, show: bool = True) -> list[LoadedPrediction]:
        """Load the results that a segmentation has so far: segmentations, overlays, uncertainty maps.

        They replace those that are in the scene, with what was corrected by hand outside of a review.

        Args:
            job: the segmentation's handle or folder.
            show: also create closed surfaces that the engine did not write, so that results appear in 3D.

        Raises:
            JobError: the job is a training, or has no result yet.
            DataError: a result file is damaged or does not fit its volume, or its scan is neither in the scene nor in
                its old place.
        """
        require_main_thread()
        job = _segmentation(job)
        cases = [case for case in job.read_datalist().cases if job.prediction(case.id).result.is_file()]
        if not cases:
            raise JobError(f"'{job.folder}' has no result yet; wait until its first case is done.")
        results = [run_to_end(load_case(self.context, job, case)) for case in cases]
        for loaded in results:
            show_alone(loaded, [loaded])
            if show:
                make_surfaces(loaded.segmentation, loaded.overlays)
        return results

    def improve(
        self,
        model: AnyJob,
        cases: Sequence[Union[PromotedCase, AnyCase]],
        settings: TrainSettings = None,
        folder: Union[None, str, Path] = None,
        labeled: Sequence[LabeledNodes] = (),
    ) -> JobHandle:
        """Continue the training of a model with reviewed cases, in the background; validation cases stay the same.

        Example:
            >>> logic.improve(model, [case, other], {"training.self_training_steps": 500}).wait()

        Args:
            model: its training (handle or folder), or the model's folder.
            cases: what `promote` returns, or cases that are promoted now.
            settings: None: those of the previous training, without pretraining. A dictionary changes some of them.
                Otherwise as in `train`.
            folder: of the new job; None: a new one in `jobsFolder`.
            labeled: (volume node, segmentation node) of labeled cases, in place of those of the previous training;
                needed only if that training no longer exists.

        Raises:
            CoraNetError: a case, the model, a setting or the folder cannot be used; with the reason.
        """
        given = [cases] if isinstance(cases, (PromotedCase, LoadedPrediction)) else as_list(cases)
        promoted = [case if isinstance(case, PromotedCase) else self.promote(case) for case in given]
        if not promoted:
            raise DataError("there is nothing to improve the model with; review some regions of at least one case.")
        config = improving_config(model, settings)
        labels = ModelCard.read(config.training.initial_model).labels
        require_labels(labels, promoted)
        target = self._folderFor(folder, improved_name(self.jobsFolder, _name_of_model(config.training.initial_model)))
        owners = [case.files.folder.parent.parent for case in promoted]
        job_id = ""
        if labeled:
            values = {label.name: label.value for label in labels}
            nodes = TrainingNodes(labeled, segment_names=list(values), values=values)
            job = export_training_job(self.context, target, nodes, config)
            joined = with_promoted(job.read_relative_datalist(), promoted)
        else:
            training = require_training(model)
            job_id, owners = training.identifier, [training.folder, *owners]
            joined = with_promoted(training.read_datalist(), promoted)
            job = Job.create(target, JobKind.TRAIN, config, joined)
        job.write_datalist(take_over_files(job.folder, joined, owners))
        known = known_keys(joined, promoted, job_id)
        # So that snapshots are laid over the volumes, and a further round knows its cases.
        mark_as_cases_of(self.context.scene, job, known)
        return self.watch(self.runner.start(job))

    def rankCases(self, job: AnyJob) -> list[CaseUncertainty]:
        """The segmented cases of a job, those that most need a review first, each with its reason in words.

        Example:
            >>> print(logic.rankCases(job)[0].reason)
            14 % of the predicted pancreas is uncertain; 3 regions over 1 mL

        Raises:
            JobError: the job is no segmentation, or a file is damaged.
        """
        job = _segmentation(job)
        return rank_cases(job.prediction(case.id) for case in job.read_datalist().cases)

    def trainingPlot(self, job: AnyJob) -> TrainingPlot:
        """Losses and validation Dice as tables and plots in the scene; they are updated while the job runs.

        Raises:
            JobError: the folder holds no job of this version.
        """
        handle = job if isinstance(job, JobHandle) else self.attach(job)
        plot = TrainingPlot(self.context, handle.folder.name, handle.job.identifier)
        handle.onEvents(lambda new: plot.update(handle.events))
        return plot

    def watch(self, process: JobProcess) -> JobHandle:
        """Watch the process of a job; `logic.watch(logic.runner.start(job))` starts a prepared one."""
        ticker = self._make_ticker() if self._make_ticker else None
        handle = JobHandle(process.job, self.runner, process, ticker, self._process_events)
        self._watched = [watched for watched in self._watched if watched.status is JobStatus.RUNNING]
        self._watched.append(handle)
        return handle

    def close(self) -> None:
        """Stop watching all jobs; they continue to run."""
        for handle in self._watched:
            handle.close()
        self._watched.clear()

    def _folderFor(self, folder: Union[None, str, Path], name: str) -> Path:
        return as_path(folder, JobError, "a folder for the job") if folder else self.newFolder(name)

    def newFolder(self, name: str) -> Path:
        """A new folder in `jobsFolder`, named like `name`, with a number if that is taken."""
        return self.jobsFolder / free_name(self.jobsFolder, name)


def _name_of_model(folder: str) -> str:
    """What people call a model: the folder of its training, or its own."""
    path = Path(folder)
    return path.parent.name if path.name == "model" else path.name


def _segmentation(job: AnyJob) -> Job:
    segmentation = job_of(job)
    if segmentation.kind is not JobKind.SEGMENT:
        raise JobError(
            f"'{segmentation.folder}' is a training, expected a segmentation; segment volumes with its model first."
        )
    return segmentation


def _name_of_case(images: Any) -> str:
    """The name of the first image of a case, as `segment` takes them."""
    first = next(iter(images.values()), None) if isinstance(images, Mapping) else first_image(images)
    return "" if first is None else name_of_image(first)
