"""From reviewed results to a training that goes on from a model: with the cases of the one before, and these."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Optional

import numpy as np

from coranet.contract import (
    Case,
    Datalist,
    ImageHeader,
    Job,
    JobKind,
    Label,
    ModelCard,
    PredictionFiles,
    Role,
    ScanIdentity,
    image_name,
    read_image_header,
    unique_case_names,
)
from coranet.contract.config import DEFAULT_PRESET, TrainConfig, require_effect
from coranet.contract.errors import ConfigError, CoraNetError, DataError, ModelError, storage_error
from coranet.contract.files import atomic_path
from coranet.contract.segment_names import in_words, matched_labels

from ..core.case_images import label_type
from ..core.case_volume import file_hash
from ..core.export import label_node, write_volume
from ..core.images import size_kji
from ..core.results import LoadedPrediction, case_keys, segment_id
from ..jobs.arguments import AnyJob, TrainSettings, as_path, train_config
from ..jobs.handle import JobHandle
from .boundary_slide import known_voxels_of_slides
from .review_record import read_label_map
from .review_state import ReviewState
from .segment_layers import SegmentLayers

# Of the voxels of images, by file and part.
Hashes = dict[tuple[str, str], str]

_INITIAL_MODEL, _PRETRAINING_STEPS = "training.initial_model", "training.pretraining_steps"


@dataclass(frozen=True)
class PromotedCase:
    """A reviewed case, as a training takes it.

    Attributes:
        name: of the case.
        image: path of the scan.
        files: where the label map (`reviewed`) and the mask of what is truth in it (`known`) lie.
        labels: the classes.
        keys: "<identifier of the job>/<case id>" for each job in which its volume is a case.
        regions: how many are decided.
        scan: hash of the scan's voxels.
        more_images: paths of the images of the second channel and those after it.
        part: which image of a DICOM series the scan is; "": it is the only one.
    """

    name: str
    image: str
    files: PredictionFiles
    labels: tuple[Label, ...]
    keys: tuple[str, ...]
    regions: int
    scan: str
    more_images: tuple[str, ...] = ()
    part: str = ""


def promote_case(review: ReviewState) -> PromotedCase:
    """Write what a training learns from: the label values of a result as it is now, and where they are truth.

    Raises:
        DataError: nothing is decided, the files of the case or its scan are not there, or classes overlap.
        StorageError: a file could not be written.
    """
    loaded, files, decided = review.loaded, review.files, review.review
    name = loaded.segmentation.GetName()
    if files is None:
        raise DataError(f"the files of '{name}' were moved or deleted; load the result again from its job.")
    if not decided.decisions and not decided.slides and not decided.trusts_certain:
        raise DataError(f"nothing of '{name}' is decided yet; decide at least one of its regions.")
    require_no_overlap(loaded)
    result = files.read_result()
    scan = ScanIdentity.from_dict(result.get("scan"), files.result)
    (image, *more), part = _images(files, result, name, scan)
    known = _certain(loaded, files) if decided.trusts_certain else np.zeros(size_kji(loaded.volume), bool)
    for box in (*(review.voxels(number).box for number in decided.decisions), *known_voxels_of_slides(review)):
        known[box.slices][box.mask] = True
    write_reviewed(loaded, files.reviewed)
    _write(known.astype(np.uint8), loaded, files.known)
    # As the model has them: segments can be renamed or deleted.
    labels = tuple(Label.from_dict(row) for row in result["labels"])
    keys = tuple(case_keys(loaded.volume))
    voxels = file_hash(Path(image), part) if scan is None else scan.voxels
    return PromotedCase(
        files.folder.name, image, files, labels, keys, len(decided.decisions), voxels, tuple(more), part
    )


def _images(
    files: PredictionFiles, result: dict[str, Any], name: str, scan: Optional[ScanIdentity]
) -> tuple[list[str], str]:  # fmt: skip
    """Where the scan lies, an image a channel: by the job, which may have been moved, else by the result.

    Returns:
        The paths, and which image of its series the first one is.
    """
    part = str(result.get("part") or "")
    places: list[tuple[str, ...]] = [(str(result.get("image") or ""), *result.get("more_images", ()))]
    folder = files.folder.parent.parent
    if Job.exists(folder):
        cases = Job.open(folder).read_datalist().cases
        places = [*(case.images for case in cases if case.id == files.folder.name), *places]
    there = [paths for paths in dict.fromkeys(places) if all(path and Path(path).exists() for path in paths)]
    if not there:
        raise DataError(f"the scan of '{name}' was moved or deleted ('{places[0][0]}'); segment the volume again.")
    # A label on another scan would teach what is wrong.
    same = [paths for paths in there if scan is None or _are_images_of(paths, part, scan)]
    if not same:
        raise DataError(
            f"'{there[0][0]}' is no longer the scan that '{name}' was computed on ({scan}); put that scan "
            "back, or segment this one."
        )
    return [str(Path(path).absolute()) for path in same[0]], part


def _are_images_of(paths: tuple[str, ...], part: str, scan: ScanIdentity) -> bool:
    """Whether all images of a case are those of a scan, as far as it knows them."""
    if file_hash(Path(paths[0]), part) != scan.voxels:
        return False
    # The volumes of a file of four dimensions belong together.
    known = [pair for pair in zip(paths[1:], scan.more_voxels, strict=False) if paths.count(pair[0]) == 1]
    return all(file_hash(Path(path)) == voxels for path, voxels in known)


def write_reviewed(loaded: LoadedPrediction, path: Path) -> None:
    """Write the label values of a result as it is now, on the volume's own grid; where classes overlap, the later one.

    Raises:
        DataError: the segments lie on another grid.
        StorageError: it could not be written.
    """
    _write(_result_labels(loaded), loaded, path)


def require_no_overlap(loaded: LoadedPrediction) -> None:
    """Raise DataError, naming both, if two classes of a result have a voxel in common."""
    layers = SegmentLayers(loaded.segmentation, loaded.volume)
    painted = _result_labels(loaded)
    for label in loaded.labels:
        others = painted[layers.paint({segment_id(label): 1}, np.uint8).view(bool)]
        if (others != label.value).any():
            shared = others[others != label.value]
            other = next(second.name for second in loaded.labels if second.value in shared)
            raise DataError(
                f"'{label.name}' and '{other}' of '{loaded.segmentation.GetName()}' overlap; give each voxel to one of "
                "them."
            )


def _result_labels(loaded: LoadedPrediction) -> np.ndarray:
    values = {segment_id(label): label.value for label in loaded.labels}
    return SegmentLayers(loaded.segmentation, loaded.volume).paint(values, label_type(loaded.labels))


def _certain(loaded: LoadedPrediction, files: PredictionFiles) -> np.ndarray:
    """Where both heads name one label and no other comes close: bool, (k, j, i)."""
    paths = (files.uncertain, files.conservative, files.radical)
    uncertain, conservative, radical = (read_label_map(path, loaded.volume) for path in paths)
    return np.asarray((uncertain == 0) & (conservative == radical))


def _write(array: np.ndarray, loaded: LoadedPrediction, path: Path) -> None:
    node: Any = label_node(array, loaded.volume)
    with atomic_path(path) as temporary:
        write_volume(node, temporary, compressed=True)


def find_training(model: AnyJob) -> Optional[Job]:
    """The training that made a model; None if it is not there any more, such as where the model was copied.

    Raises:
        ModelError: it is a segmentation.
        JobError: the job is damaged.
    """
    if isinstance(model, (JobHandle, Job)):
        job: Optional[Job] = model.job if isinstance(model, JobHandle) else model
    else:
        folder = as_path(model, ModelError, "a training or the folder of a model").absolute()
        folder_of_job = next((place for place in (folder, folder.parent) if Job.exists(place)), None)
        job = Job.open(folder_of_job) if folder_of_job is not None else None
    if job is not None and job.kind is not JobKind.TRAIN:
        raise ModelError(f"'{job.folder}' is a segmentation, expected a training; choose the one that made its model.")
    return job


def improving_config(model: AnyJob, settings: TrainSettings = None) -> TrainConfig:
    """The configuration of a training that goes on from a model: as the one before, unless `settings` say otherwise.

    It begins with self-training: decided regions teach there, and on labeled cases alone the model would forget what
    the unlabeled ones have taught it.

    A dictionary without "preset" changes single settings of the training before.

    Raises:
        ModelError: there is no finished model.
        ConfigError: an unknown preset or setting, or a value out of range.
    """
    training = find_training(model)
    folder = training.folder if training is not None else Path(str(model)).expanduser().absolute()
    card = ModelCard.read(folder)
    if settings is None or (isinstance(settings, Mapping) and "preset" not in settings):
        before = training.read_config() if training is not None else None
        config = before if isinstance(before, TrainConfig) else _config_of_card(card)
        if config.training.self_training_steps:
            # In that order: a number of steps switches the time off, which is all for self-training now.
            config = config.with_overrides({_PRETRAINING_STEPS: 0}).with_overrides({"time": config.time})
        config = config.with_overrides(settings or {})
    else:
        config = train_config(settings)
    config = config.with_overrides({_INITIAL_MODEL: str(card.folder)})
    require_effect(config, [name for name in settings if name != "preset"] if isinstance(settings, Mapping) else ())
    return config


def require_training(model: AnyJob) -> Job:
    """The training that made a model.

    Raises:
        ModelError: it is not there any more, so its cases are unknown; or it is a segmentation.
    """
    training = find_training(model)
    if training is None:
        raise ModelError(
            f"the training that made the model '{model}' no longer exists, nor do its labeled cases; give "
            "them: improve(model, cases, labeled=[(volume, segmentation), ...])."
        )
    return training


def require_labels(labels: Sequence[Label], cases: Sequence[PromotedCase]) -> None:
    """Raise DataError, naming the case, unless reviewed cases have certain labels, by their names."""
    for promoted in cases:
        if matched_labels(promoted.labels, labels) is None:
            raise DataError(
                f"the case '{promoted.name}' was segmented with the labels {in_words(promoted.labels)}, the model has "
                f"{in_words(labels)}; segment it with the model that is to be improved."
            )


def with_promoted(datalist: Datalist, cases: Sequence[PromotedCase]) -> Datalist:
    """The cases of a training and reviewed ones; who was unlabeled is a training case, known in part, from now on.

    The datalist is of the training, with absolute paths.

    Raises:
        DataError: labels differ; a case is given twice, or is one that measures, or is labeled everywhere already.
    """
    require_labels(datalist.labels, cases)
    by_id = {case.id: case for case in datalist.cases}
    new: list[PromotedCase] = []
    used: set[str] = set()
    hashes: Hashes = {}
    for promoted in cases:
        same = _same_case(datalist.cases, promoted, hashes)
        key = same.id if same is not None else f"{Path(promoted.image).resolve()} {promoted.part}"
        if key in used:
            raise DataError(f"the case '{promoted.name}' is given twice; use it once.")
        used.add(key)
        if same is None:
            new.append(promoted)
        else:
            _require_open(same)
            by_id[same.id] = _as_training(same.id, same.images, promoted, datalist.labels)
    names = unique_case_names([*by_id, *(promoted.name for promoted in new)])[len(by_id) :]
    added = [
        _as_training(name, (promoted.image, *promoted.more_images), promoted, datalist.labels)
        for name, promoted in zip(names, new, strict=False)
    ]
    return replace(datalist, cases=(*by_id.values(), *added))


def known_keys(datalist: Datalist, cases: Sequence[PromotedCase], job_id: str = "") -> dict[str, tuple[str, ...]]:
    """By id of a case, the keys "<identifier of the job>/<case id>" by which its volume is known already.

    `job_id` is that of the training, by which volumes know that they are a case of it.
    """
    of_file = {str(case.files.known): case.keys for case in cases}
    before = {case.id: (f"{job_id}/{case.id}",) if job_id else () for case in datalist.cases}
    return {case.id: (*before[case.id], *of_file.get(str(case.known), ())) for case in datalist.cases}


def take_over_files(job_folder: Path, datalist: Datalist, folders: Iterable[Path]) -> Datalist:
    """Bring what lies in other jobs into a new one, so that these can be deleted: scans are linked, reviews copied.

    What lies in none of the folders of the other jobs stays there. Returns the cases with their paths from now on.

    Raises:
        StorageError: a review could not be copied.
    """
    job = Job(Path(job_folder).absolute(), JobKind.TRAIN)
    owners = [Path(folder).absolute() for folder in folders]
    return replace(datalist, cases=tuple(_taken_over(case, job, owners) for case in datalist.cases))


def _config_of_card(card: ModelCard) -> TrainConfig:
    with suppress(ConfigError):
        return TrainConfig.from_preset(card.preset or DEFAULT_PRESET)
    return TrainConfig.from_preset(DEFAULT_PRESET)


def _same_case(cases: Sequence[Case], promoted: PromotedCase, hashes: Hashes) -> Optional[Case]:
    """Which case of a training a reviewed one is, by its file or its voxels; None: a new one.

    A name decides on nothing: two patients' scans can both be called T1, and one scan can have two names. `hashes`
    keeps those of the files that were read, for the next reviewed case.
    """
    same_file = [case for case in cases if case.part == promoted.part and _is_same_file(case.image, promoted.image)]
    if same_file:
        return same_file[0]
    header = read_image_header(promoted.image)
    # Where sizes differ, so do voxels; likely ones first, because each is read.
    likely = [case for case in cases if _can_be_same(read_image_header(case.image), header)]
    likely.sort(key=lambda case: case.id != unique_case_names([promoted.name])[0])
    return next((case for case in likely if _scan_of(case, hashes) == promoted.scan), None)


def _can_be_same(first: Optional[ImageHeader], second: Optional[ImageHeader]) -> bool:
    """Whether two files can hold one scan; an axis may be stored in another place, and a folder has no header."""
    if first is None or second is None:
        return first is second
    return sorted(first.size_ijk) == sorted(second.size_ijk)


def _scan_of(case: Case, hashes: Hashes) -> str:
    key = case.image, case.part
    if key not in hashes:
        hashes[key] = ""
        # A file that cannot be read is no reason against another one; the training will report it.
        with suppress(CoraNetError):
            hashes[key] = file_hash(Path(case.image), case.part)
    return hashes[key]


def _is_same_file(first: str, second: str) -> bool:
    with suppress(OSError):
        # Also where one is a second name that `take_over_files` gave to the other.
        return os.path.samefile(first, second)
    return False


def _require_open(case: Case) -> None:
    if case.role in (Role.VALIDATION, Role.TEST):
        raise DataError(
            f"'{case.id}' measures how good the model is, so it must not learn from it; leave it out, or review "
            "another case."
        )
    if case.role is Role.TRAINING and not case.is_partial:
        raise DataError(f"'{case.id}' has a label everywhere already; leave it out, or review another case.")


def _as_training(name: str, images: Sequence[str], promoted: PromotedCase, labels: Sequence[Label]) -> Case:
    label, known = str(promoted.files.reviewed), str(promoted.files.known)
    # Its label map has the values of the model that segmented it; they may be others for the same names.
    own = tuple((label.value, label.name) for label in promoted.labels)
    is_same = {value: value for value, _ in own} == matched_labels(promoted.labels, labels)
    return Case(
        name, Role.TRAINING, images[0], label, known, tuple(images[1:]), () if is_same else own, part=promoted.part
    )  # fmt: skip


def _taken_over(case: Case, job: Job, owners: Sequence[Path]) -> Case:
    case = _with_linked_images(case, job, owners)
    if not case.known:
        label = _linked(case.label, job.labels_folder, case.id, owners) if case.label else None
        return replace(case, label=label)
    source, target = PredictionFiles(Path(case.known).parent), job.reviewed(case.id)
    pairs = [(Path(str(case.label)), target.reviewed), (Path(case.known), target.known)]
    # From these the engine knows the number of decisions behind the label.
    pairs += [(source.regions, target.regions), (source.review, target.review)]
    for path, copy in pairs:
        _copy(path, copy)
    label, known = (path.relative_to(job.folder).as_posix() for path in (target.reviewed, target.known))
    return replace(case, label=label, known=known)


def _with_linked_images(case: Case, job: Job, owners: Sequence[Path]) -> Case:
    # A file of four dimensions is named once for each of its volumes.
    linked: dict[str, str] = {}
    for number, path in enumerate(case.images, start=1):
        name = case.id if number == 1 else f"{case.id}+{number}"
        linked[path] = linked.get(path) or _linked(path, job.images_folder, name, owners)
    first, *more = (linked[path] for path in case.images)
    return replace(case, image=first, more_images=tuple(more))


def _linked(path: str, folder: Path, name: str, owners: Sequence[Path]) -> str:
    """A second name for a file of another job, which costs no space; where that does not work, it stays where it is."""
    source = Path(path)
    if not source.is_file() or not any(owner in source.parents for owner in owners):
        return path
    target = folder / (name + source.name[len(image_name(source)) :])
    try:
        folder.mkdir(parents=True, exist_ok=True)
        os.link(source, target)
    except OSError:
        return path
    return target.relative_to(folder.parent).as_posix()


def _copy(source: Path, target: Path) -> None:
    if not source.is_file():
        return
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    except OSError as error:
        raise storage_error(target, error) from error
