"""The command line: ``python -m coranet train | segment | evaluate | experiment | run | regions | doctor | ...``.

Imports of torch are inside the commands: ``--help`` and ``doctor`` must work where torch is missing.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..contract.config import DEFAULT_PRESET, SegmentConfig, TrainConfig, preset_names, require_effect
from ..contract.errors import (
    UNEXPECTED,
    ConfigError,
    CoraNetError,
    DataError,
    JobCancelled,
    JobError,
    StorageError,
    is_memory_error,
    missing_package,
)
from ..experiments import add_experiment_command
from ..regions.command import add_regions_command
from ..reports.command import add_report_command
from ..setup.installation import add_install_command
from .overrides import overrides
from .standard_streams import tolerant_streams
from .strict_parser import StrictParser, with_home

if TYPE_CHECKING:
    from ..contract import Datalist, Job, JobKind
    from ..contract.events import Event

# What --fast leaves out: all that predicts how good a result will be, and where it errs.
_FAST_TRAINING: dict[str, Any] = {"training.error_model": "off", "training.quality_reference": "off"}
_FAST_SEGMENTATION: dict[str, Any] = {"inference.doubt": "heads", "quality": False}

# What was left out is told with an error; of more only the first.
_MOST_LEFT_OUT = 2

# Set to look for the cause of an unexpected error.
TRACEBACK = "CORANET_TRACEBACK"

_EXAMPLES = """examples:
  coranet phantom scans
  coranet train scans/dataset.json --output job --time 1h
  coranet train scans/dataset.json --time 20min --dry-run
  coranet segment scan.nrrd dicom_folder --model job --output results
  coranet report results
  coranet evaluate scans/dataset.json --model job --output scores
  coranet experiment scans/dataset.json --methods supervised,coranet --output comparison --preset quick
"""


@dataclass(frozen=True)
class _Work:
    """What is left to do of a command once its job is there; `main` does it, so that few calls lead to the steps.

    Attributes:
        job: its directory.
        resume: go on where it was left.
        devices: instead of the configuration's machine.devices; None: as the configuration says.
        prepare: called once the job is this process's; gives sentences that are events of the job.
        is_shown: whether the terminal shows how far it is; else what started this process reads the events.
        dry_run: only plan a training, and time its parts.
    """

    job: Job
    resume: bool = False
    devices: int | None = None
    prepare: Callable[[], Sequence[str]] = tuple
    is_shown: bool = True
    dry_run: bool = False


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: words after the program's name; None: those of this process.

    Returns:
        Exit code: 0 if all went well.
    """
    if arguments is None:
        _require_utf8_names()
        _keep_caches_out_of_home()
    with tolerant_streams():
        options = _parser().parse_args(with_home(sys.argv[1:] if arguments is None else arguments))
        try:
            _require_working_folder()
            work = options.command(options)
            if not isinstance(work, _Work):
                return int(work)
            with _claimed(work) as listener:
                from ..job_process.launch import worker_for

                return worker_for(work.job, work.devices, work.dry_run)(work.job, work.resume, listener)
        except KeyboardInterrupt:
            _write_line("interrupted.")
            return 130
        except Exception as error:  # noqa: BLE001 - the one outer catch of the command line
            return _report_error(error)


def _require_utf8_names() -> None:
    """Begin again with UTF-8 names of files where the locale (LC_ALL=C) has another encoding: libraries expect it."""
    if sys.platform == "win32" or sys.flags.utf8_mode or sys.getfilesystemencoding().lower() in ("utf-8", "utf8"):
        return
    with suppress(OSError):
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])


def _require_working_folder() -> None:
    """Raise StorageError where the folder that the command is called in was deleted: libraries fail there, oddly."""
    try:
        Path.cwd()
    except OSError as error:
        raise StorageError("the folder that this terminal is in is gone; change to another one (cd).") from error


def _keep_caches_out_of_home() -> None:
    """MONAI loads matplotlib where that is installed, which makes folders in the user's home unless configured."""
    owner = "user" if sys.platform == "win32" else os.getuid()
    os.environ.setdefault("MPLCONFIGDIR", str(Path(tempfile.gettempdir()) / f"coranet-matplotlib-{owner}"))


def _write_line(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _report_error(error: Exception) -> int:
    """Print what went wrong in a sentence, with a traceback only in debug mode."""
    if os.environ.get(TRACEBACK):
        traceback.print_exception(error)
    expected = _expected(error)
    _write_line(str(expected) if isinstance(expected, JobCancelled) else f"error: {expected}")
    is_foreseen = expected is error or type(expected) is not CoraNetError or is_memory_error(error)
    return expected.exit_code if is_foreseen else UNEXPECTED


def _expected(error: Exception) -> CoraNetError:
    """An error as a sentence for a person."""
    if isinstance(error, CoraNetError):
        return error
    if is_memory_error(error):
        return CoraNetError(
            "this machine does not have enough memory; close other programs, or use a machine with more memory."
        )
    if isinstance(error, ModuleNotFoundError):
        return missing_package(error)
    if isinstance(error, OSError):
        refusal = f"'{error.filename}' cannot be used" if error.filename else "the system refused"
        return StorageError(f"{refusal} ({error.strerror or error}); check that it exists and that you may use it.")
    reason = " ".join(str(error).split()) or "without a reason"
    return CoraNetError(
        f"an unexpected error ({type(error).__name__}: {reason}); set {TRACEBACK}=1 and run it again to see where, "
        "and please report it."
    )


def _train(options: argparse.Namespace) -> _Work | int:
    from ..contract import Job, JobKind, Role, find_cases
    from ..data.datalist import with_validation_cases
    from .moved_scans import follow_training, moved_training
    from .resuming import require_kept_settings, require_same_datalist

    chosen = _settings(options)
    config = TrainConfig.from_preset(options.preset or DEFAULT_PRESET, chosen)
    require_effect(config, chosen)
    if options.dry_run:
        return _dry_run(options, config)
    if options.output is None:
        raise ConfigError("train needs --output JOB, a folder for the job; --dry-run shows the plan without one.")
    if options.resume and Job.exists(options.output):
        job = _existing_job(options.output, JobKind.TRAIN)
        require_kept_settings(job, chosen, options.preset)
        listed = find_cases(options.datalist)
        moved = moved_training(job, listed)
        require_same_datalist(job, listed, options.datalist, moved)
        return _Work(job, True, options.devices, partial(follow_training, job, moved) if moved else tuple)
    datalist = find_cases(options.datalist)
    if "data.validation_cases" in chosen and config.data.validation_cases and datalist.with_role(Role.VALIDATION):
        raise ConfigError(
            f"'data.validation_cases' has no effect where the datalist names validation cases, as '{options.datalist}' "
            "does; leave it out, or these cases."
        )
    # Refused before there is a job; the training chooses once it has seen which cases hold a structure.
    with_validation_cases(datalist, config.data.validation_cases, config.seed)
    _require_labeled(options.datalist, datalist)
    return _Work(_new_job(options.output, JobKind.TRAIN, config, datalist))


def _dry_run(options: argparse.Namespace, config: TrainConfig) -> int:
    """Show what would be trained; nothing is left behind."""
    from ..contract import Job, find_cases
    from ..training.dry_run import planned

    if options.resume:
        raise ConfigError("--dry-run shows what a new training would do; leave out --resume.")
    if options.devices not in (None, 1):
        raise ConfigError("--dry-run plans for one process, not for several; leave out --devices.")
    if options.output is not None and Job.exists(options.output):
        raise JobError(f"'{options.output}' already holds a job; choose a new folder, or leave out --output.")
    datalist = find_cases(options.datalist)
    _require_labeled(options.datalist, datalist)
    for line in [*datalist.left_out, *planned(config, datalist)]:
        sys.stdout.write(f"{line}\n")
    return 0


def _segment(options: argparse.Namespace) -> _Work:
    from ..contract import ModelCard, input_list

    # What is wrong with the model is reported with the settings, below.
    return _segment_cases(options, input_list(options.inputs, ModelCard.read(options.model).channels))


def _evaluate(options: argparse.Namespace) -> _Work:
    from ..contract import ModelCard, Role, find_cases
    from ..contract.channels import require_same_channels
    from ..data.case_labels import with_classes_of
    from ..model_package import ModelPackage

    _require_list(options.datalist)
    datalist = find_cases(options.datalist)
    cases = datalist.with_role(Role.TEST)
    if not cases:
        message = f"the datalist '{options.datalist}' has no 'test' case with a label; add some."
        raise DataError(_with_reasons(message, datalist))
    require_same_channels(datalist.channels, ModelCard.read(options.model).channels, f"'{options.datalist}'")
    for case in cases:
        if not os.path.exists(str(case.label)):
            raise DataError(f"'{case.label}' does not exist; correct the path in the datalist '{options.datalist}'.")
    package = ModelPackage.read(options.model)
    listed = with_classes_of(replace(datalist, cases=cases), package.labels, f"the model '{package.folder}'")
    return _segment_cases(options, listed)


def _segment_cases(options: argparse.Namespace, listed: Datalist) -> _Work:
    from ..contract import Job, JobKind
    from ..model_package import ModelPackage
    from .resuming import grow, require_kept_settings, require_same_model

    chosen = _settings(options)
    config = SegmentConfig(model=str(Path(options.model).absolute())).with_overrides(chosen)
    if options.resume and Job.exists(options.output):
        job = _existing_job(options.output, JobKind.SEGMENT)
        require_kept_settings(job, chosen)
        require_same_model(job, options.model)
        return _Work(job, True, options.devices, lambda: grow(job, listed))
    package = ModelPackage.read(config.model)
    datalist = replace(listed, labels=package.labels, channels=_named(package.channels))
    return _Work(_new_job(options.output, JobKind.SEGMENT, config, datalist))


def _named(channels: tuple[str, ...]) -> tuple[str, ...]:
    """The names of several channels; what a single one is called decides on nothing."""
    return channels if len(channels) > 1 else ()


def _settings(options: argparse.Namespace) -> dict[str, Any]:
    """All settings that were chosen, by --set or by an option of their own; one that was chosen twice is refused."""
    chosen: dict[str, Any] = {**overrides(options.set)}
    if "model" in chosen:
        raise ConfigError("give the model with --model; leave out --set model=...")
    fast = _FAST_TRAINING if options.command is _train else _FAST_SEGMENTATION
    own = {
        **{name: ("--fast", value if options.fast else None) for name, value in fast.items()},
        "time": ("--time", getattr(options, "time", None) or None),
        "machine.devices": ("--devices", options.devices),
        "inference.caution": ("--caution", getattr(options, "caution", None)),
        "compare_uncertainties": ("--compare-uncertainties", getattr(options, "compare_uncertainties", False) or None),
    }
    for name, (option, value) in own.items():
        if value is not None:
            if name in chosen:
                raise ConfigError(f"{option} and --set {name} mean the same; leave one of them out.")
            chosen[name] = value
    return chosen


def _new_job(folder: str, kind: JobKind, config: TrainConfig | SegmentConfig, datalist: Datalist) -> Job:
    """A new job; may replace one that ended before it made anything, because its data were wrong."""
    from ..contract import Job

    if not Job.exists(folder):
        return Job.create(folder, kind, config, datalist)
    job = _existing_job(folder, kind)
    job.begin_anew(config, datalist)
    return job


def _existing_job(folder: str, kind: JobKind) -> Job:
    from ..contract import Job

    job = Job.open(folder)
    if job.kind is not kind:
        raise JobError(
            f"'{job.folder}' holds a job of the kind '{job.kind.value}', expected '{kind.value}'; choose another one."
        )
    return job


def _run(options: argparse.Namespace) -> _Work:
    from ..contract import Job

    job = Job.open(options.job)
    if options.dry_run and (options.resume or options.devices not in (None, 1)):
        raise ConfigError("--dry-run plans a new training, for one process; leave out --resume and --devices.")
    return _Work(job, options.resume, options.devices, is_shown=sys.stderr.isatty(), dry_run=options.dry_run)


@contextmanager
def _claimed(work: _Work) -> Iterator[Callable[[Event], object]]:
    """Inside, the job is this process's; gives the listener that shows its events on the terminal."""
    from ..contract.events import Failed
    from ..job_process.team_member import claim

    # Before torch is imported, which takes seconds: a reader of the folder sees at once that a process works on it.
    # While another process works on the job, a request to stop is meant for that one.
    claim(work.job, _write_line)
    failures: list[str] = []
    with _shown(work) if work.is_shown else nullcontext(lambda event: None) as show:

        def listen(event: Event) -> None:
            if isinstance(event, Failed):
                failures.append(event.message)
            show(event)

        yield listen
    # Whoever reads nothing but the output of a process, as on a cluster, is to know why it ended.
    if failures:
        _write_line(f"error: {failures[-1]}")


@contextmanager
def _shown(work: _Work) -> Iterator[Callable[[Event], object]]:
    from ..contract.events import Noted
    from .terminal import TerminalProgress

    work.job.withdraw_cancel()
    for sentence in work.prepare():
        work.job.add_event(Noted("input", sentence))
        _write_line(sentence)
    progress = TerminalProgress(sys.stderr)
    try:
        yield progress
    finally:
        progress.close()


def _doctor(options: argparse.Namespace) -> int:
    from ..setup.doctor import examine, report

    health = examine()
    sys.stdout.write(health.to_json() if options.json else report(health))
    return 0 if health.is_well else 1


def _phantom(options: argparse.Namespace) -> int:
    from ..phantoms import PhantomSet, write_phantom_set

    phantoms = PhantomSet(options.labeled, options.unlabeled, options.validation, options.test, seed=options.seed)
    sys.stdout.write(f"{write_phantom_set(options.folder, phantoms)}\n")
    return 0


def _count(text: str) -> int:
    """A number of cases, or a seed, as a word of the command line."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 0, got '{text}'")
    return int(text)


def _devices(text: str) -> int:
    """machine.devices as a word of the command line."""
    if text == "all":
        return 0
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"expected a number of devices or 'all', got '{text}'")
    return int(text)


def _require_list(path: str) -> None:
    from ..contract.image_files import is_image_file

    if is_image_file(Path(path)):
        raise DataError(
            f"'{path}' is an image, expected a dataset.json; choose that, or a folder of images and labels."
        )


def _require_labeled(path: str, datalist: Datalist) -> None:
    from ..contract import Role

    _require_list(path)
    if not datalist.with_role(Role.TRAINING):
        message = f"the datalist '{path}' has no labeled case; add at least one {{image, label}} to 'training'."
        raise DataError(_with_reasons(message, datalist))


def _with_reasons(message: str, datalist: Datalist) -> str:
    """A message on cases that are missing, and what was left out, which may be these."""
    reasons = [sentence[:1].upper() + sentence[1:] for sentence in datalist.left_out[:_MOST_LEFT_OUT]]
    return " ".join([message, *reasons])


def _parser() -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = StrictParser(
        prog="coranet",
        description="Semi-supervised segmentation that shows where it is uncertain.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"coranet {__version__}")
    commands = parser.add_subparsers(required=True, metavar="command")
    _add_job_commands(commands)
    add_experiment_command(commands)
    add_regions_command(commands)
    add_report_command(commands)
    doctor = commands.add_parser("doctor", help="check this machine: Python, packages, device, disk")
    doctor.add_argument("--json", action="store_true", help="print JSON, for programs")
    doctor.set_defaults(command=_doctor)
    add_install_command(commands)
    phantom = commands.add_parser("phantom", help="write a synthetic data set with labels")
    phantom.add_argument("folder", help="new folder for images, labels and dataset.json")
    for name, count in (("labeled", 5), ("unlabeled", 16), ("validation", 1), ("test", 3), ("seed", 0)):
        phantom.add_argument(f"--{name}", type=_count, default=count, metavar="N", help=f"default {count}")
    phantom.set_defaults(command=_phantom)
    return parser


def _add_job_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    train = commands.add_parser("train", help="train a model from labeled and unlabeled scans")
    train.add_argument(
        "datalist", help="dataset.json with training, unlabeled and labels, or a data set folder of nnU-Net"
    )
    train.add_argument("--output", metavar="JOB", help="folder for the job: model, checkpoints, log")
    train.add_argument("--time", metavar="TIME", help="how long it may take: 20min, 1h, '1 h 30 min'")
    train.add_argument("--dry-run", action="store_true", help="show the plan and its time; train and keep nothing")
    train.add_argument("--preset", help=f"one of {', '.join(preset_names())}, or a JSON file; default {DEFAULT_PRESET}")
    train.set_defaults(command=_train)
    segment = commands.add_parser("segment", help="segment scans with a trained model")
    segment.add_argument(
        "inputs",
        nargs="+",
        metavar="INPUT",
        help="image file, DICOM folder, folder of images, or dataset.json with unlabeled or test cases; channels of a "
        "case are files p01_0000, p01_0001, ...",
    )
    segment.set_defaults(command=_segment, compare_uncertainties=False)
    evaluate = commands.add_parser("evaluate", help="measure a model on the test cases of a datalist")
    evaluate.add_argument("datalist", help="dataset.json with test and labels")
    evaluate.add_argument("--compare-uncertainties", action="store_true", help="also measure softmax, dropout, ...")
    evaluate.set_defaults(command=_evaluate)
    for command in (segment, evaluate):
        command.add_argument(
            "--caution", type=float, metavar="T", help="a higher value flags more as uncertain; default: the model's"
        )
        command.add_argument("--model", required=True, help="folder of a model, or of the training job that made it")
        command.add_argument("--output", required=True, metavar="DIR", help="folder for the results")
    _add_fast((train, _FAST_TRAINING), (segment, _FAST_SEGMENTATION), (evaluate, _FAST_SEGMENTATION))
    for command in (train, segment, evaluate):
        command.add_argument(
            "--set", action="append", default=[], metavar="key=value", help="change a setting; repeatable"
        )
        command.add_argument("--resume", action="store_true", help="continue the job in the output folder")
    for command in (train, segment, evaluate, _add_run_command(commands)):
        command.add_argument(
            "--devices", type=_devices, metavar="N",
            help="graphics cards that share the work, or 'all' (on a CPU: processes); default: machine.devices",
        )  # fmt: skip


def _add_fast(*commands: tuple[argparse.ArgumentParser, Mapping[str, Any]]) -> None:
    for command, fast in commands:
        settings = ", ".join(f"{name}={value}".lower() for name, value in fast.items())
        command.add_argument("--fast", action="store_true", help=f"leave out what predicts errors: {settings}")


def _add_run_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    run = commands.add_parser("run", help="run a prepared job directory")
    run.add_argument("job", help="folder of the job")
    run.add_argument("--resume", action="store_true", help="continue from the last checkpoint")
    run.add_argument("--dry-run", action="store_true", help="only plan a training, and time its parts")
    run.set_defaults(command=_run)
    return run
