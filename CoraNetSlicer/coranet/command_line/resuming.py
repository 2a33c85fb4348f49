"""The arguments beside ``--resume``, compared with the existing job: none is ignored."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..contract import Case, Datalist, Job, Role
from ..contract.case_names import free_case_name
from ..contract.config import SegmentConfig, TrainConfig
from ..contract.config.time_budget import seconds_of
from ..contract.directory import Config
from ..contract.errors import ConfigError, DataError, ModelError
from ..contract.model_card import model_fingerprint, model_folder
from ..contract.source_files import is_changed
from .moved_scans import at_new_places, images_of, moved_scans, moved_sentence, names_of, path_key, unreadable

# A job may go on with more or fewer processes than it started with.
_MAY_DIFFER = ("machine.devices",)
# So many of the cases that differ are named.
_MOST_NAMED = 3


def require_kept_settings(job: Job, chosen: Mapping[str, Any], preset: str | None = None) -> None:
    """Refuse settings that are not those of the job.

    Args:
        job: that is to be resumed.
        chosen: setting path -> value, as asked for now; those that are not named are as they were.
        preset: asked for now; then all settings are those of the preset and `chosen`. None: none was named.

    Raises:
        ConfigError: a setting differs, is unknown, or out of range.
    """
    of_job = job.read_config()
    chosen_config: Config = of_job.with_overrides(chosen)
    if preset is not None:
        chosen_config = TrainConfig.from_preset(preset, chosen)
    for name in (setting.name for setting in of_job.settings()):
        was, now = of_job.value(name), chosen_config.value(name)
        if was != now and name not in _MAY_DIFFER and not (name == "time" and seconds_of(was) == seconds_of(now)):
            raise ConfigError(
                f"a resumed job keeps its settings, and the one in '{job.folder}' was started with {name}={was!r}, not "
                f"{now!r}; leave out --set and the like, or start a new job."
            )


def require_same_datalist(job: Job, datalist: Datalist, source: str, moved: Mapping[str, Case]) -> None:
    """Refuse another datalist than the one that a training started with.

    Args:
        job: the training.
        datalist: the cases that are named now.
        source: what they come from, for the message.
        moved: its cases at their new places (`moved_training`); {} where they have not moved.

    Raises:
        DataError: they are not those of the job; the first difference is named.
    """
    of_job = at_new_places(job.read_datalist(), moved)
    differences = [*_differences(of_job, datalist)]
    if differences:
        more = "" if len(differences) == 1 else f" (and {len(differences) - 1} more)"
        raise DataError(
            f"'{source}' is not what the training in '{job.folder}' was started with: "
            f"{differences[0]}{more}; name the same cases, or start a new job."
        )


def require_same_model(job: Job, model: str | Path) -> None:
    """Refuse another model than the one that a segmentation started with.

    Raises:
        ModelError: it is another one, or was trained anew since; or there is none.
    """
    config = job.read_config()
    folder = model_folder(model)
    fingerprint = model_fingerprint(folder)
    models = {files.read_result().get("model_hash") for files in job.complete_predictions()} - {None}
    if models - {fingerprint}:
        raise ModelError(
            f"the results in '{job.folder}' were made by another model than the one in '{folder}' (or it was trained "
            "again since); results of two models do not go into one folder: choose another --output."
        )
    if models or not isinstance(config, SegmentConfig) or _is_same_model(config.model, folder, fingerprint):
        return
    raise ModelError(
        f"the segmentation in '{job.folder}' was started with the model in '{config.model}', not in '{folder}'; "
        "name that one, or choose another --output."
    )


def grow(job: Job, new_list: Datalist) -> list[str]:
    """Take scans that are new into a segmentation, and let those whose files have changed be segmented again.

    A scan whose files were moved keeps its result: it is known by their content, and where it has no result yet, by the
    names of case and files.

    Args:
        job: that the calling process has claimed.
        new_list: the scans that are named now.

    Returns:
        What was moved, is new, changed, no longer named and left out, a sentence each.

    Raises:
        StorageError: the datalist cannot be written.
        JobError: a result cannot be read.
    """
    listed, of_job = job.read_relative_datalist(), job.read_datalist()
    moved = moved_scans(job, of_job.cases, new_list.cases)
    listed, of_job = (at_new_places(datalist, moved) for datalist in (listed, of_job))
    places = _places(of_job.cases, new_list.cases)
    cases: list[Case | None] = [*listed.cases]
    names = {case.id.lower() for case in of_job.cases}
    sentences = [moved_sentence([case for case in of_job.cases if case.id in moved])] if moved else []
    again: list[str] = []
    for case, indices in zip(new_list.cases, places, strict=True):
        earlier = [of_job.cases[index] for index in indices]
        changed = [case.id for case in earlier if _has_changed(job, case)]
        again += changed
        if changed and earlier[0].part:
            # A series may hold other images now: they are looked for when the job begins.
            names -= {case.id.lower() for case in earlier}
            for index in indices:
                cases[index] = None
            cases.append(replace(case, id=free_case_name(case.id, names)))
            sentences.append(f"'{case.image}' has changed: all its images are segmented again.")
        elif earlier:
            sentences += [f"'{case.image}' has changed: '{name}' is segmented again." for name in changed]
            for index in indices:
                cases[index] = _with_truth_of(case, listed.cases[index])
        else:
            added = replace(case, id=free_case_name(case.id, names))
            cases.append(added)
            sentences.append(f"'{case.image}' is new: it is segmented as '{added.id}'.")
    named = {index for indices in places for index in indices}
    gone = [case.id for index, case in enumerate(of_job.cases) if index not in named]
    if gone:
        sentences.append(f"{len(gone)} earlier cases are no longer listed; their results stay: {_some(gone)}.")
    sentences += new_list.left_out
    job.write_datalist(replace(listed, cases=tuple(case for case in cases if case), left_out=new_list.left_out))
    for name in again:
        job.prediction(name).result.unlink(missing_ok=True)
    return sentences


def _places(cases: Sequence[Case], new_cases: Sequence[Case]) -> list[list[int]]:
    """Which of the cases that are kept each given one is, by its images; several where it is a series of several."""
    keys = [images_of(case) for case in new_cases]
    places: dict[tuple[str, ...], list[int]] = {images: [] for images in keys}
    for index, case in enumerate(cases):
        key = next((name for name in names_of(case) if name in places), None)
        if key is not None:
            places[key].append(index)
    return [places[images] for images in keys]


def _has_changed(job: Job, case: Case) -> bool:
    """Whether the scan of a complete case has changed since; results of earlier versions are older than their scan."""
    files = job.prediction(case.id)
    if not files.result.is_file():
        return False
    result = files.read_result()
    try:
        if "source" in result:
            return is_changed(case.images, result["source"])
        return any(Path(image).stat().st_mtime > float(result.get("created") or 0) for image in case.images)
    except OSError as error:
        raise unreadable(case, error) from error


def _is_same_model(of_job: str, folder: Path, fingerprint: str) -> bool:
    try:
        before = model_folder(of_job)
        return before == folder or model_fingerprint(before) == fingerprint
    except ModelError:
        return False


def _differences(of_job: Datalist, datalist: Datalist) -> Iterator[str]:
    if _labels(of_job) != _labels(datalist):
        yield f"its labels are {_labels(datalist)}, not {_labels(of_job)}"
    # Without validation cases, the training sets some labeled cases aside itself.
    chooses = not datalist.with_role(Role.VALIDATION)
    now = {images_of(case): case for case in datalist.cases if case.role is not Role.TEST}
    used = [case for case in of_job.cases if case.role is not Role.TEST]
    before = {next((name for name in names_of(case) if name in now), images_of(case)): case for case in used}
    for images, case in now.items():
        old = before.get(images)
        if old is None:
            yield f"'{_file(case)}' is new"
        elif _place(old, chooses) != _place(case, chooses):
            yield f"'{_file(case)}' has another role, label or mask"
    yield from (f"'{_file(case)}' is missing" for images, case in before.items() if images not in now)


def _file(case: Case) -> str:
    """What a case is called in a message: its image without the folders, which are long."""
    return os.path.basename(case.image)


def _place(case: Case, chooses: bool) -> tuple[Any, ...]:
    role = Role.TRAINING if chooses and case.role is Role.VALIDATION else case.role
    return role, path_key(case.label or ""), path_key(case.known or "")


def _with_truth_of(new: Case, case: Case) -> Case:
    if _truth(case) == _truth(new):
        return case
    return replace(case, role=new.role, label=new.label, label_names=new.label_names)


def _truth(case: Case) -> tuple[Any, ...]:
    return case.role, path_key(case.label or ""), case.label_names


def _labels(datalist: Datalist) -> dict[int, str]:
    return {label.value: label.name for label in datalist.labels}


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_MOST_NAMED]) + (", ..." if len(names) > _MOST_NAMED else "")
