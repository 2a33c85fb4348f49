"""Scans whose files were moved since a job began: they are known again, and the job goes on with them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..contract import Case, Datalist, Job, Role
from ..contract.errors import DataError, JobError
from ..contract.source_files import content_hash


def images_of(case: Case) -> tuple[str, ...]:
    """What the images of a case are known by, where they stay in their places."""
    return tuple(map(path_key, case.images))


def names_of(case: Case) -> list[tuple[str, ...]]:
    """The images of a case; of a part of a DICOM series the file that stands for it, or the folder of the series."""
    return [images_of(case), *([(path_key(os.path.dirname(case.image)),)] if case.part else [])]


def path_key(path: str) -> str:
    """A path, however it is spelled, and through whatever links; "" for none."""
    return os.path.normcase(os.path.realpath(path)) if path else ""


def moved_scans(job: Job, cases: Sequence[Case], new_cases: Sequence[Case]) -> dict[str, Case]:
    """The cases of a segmentation whose files have gone, by name, with the new case that has them.

    Cases with a result are known by the content of their files, others by the names of case and files.

    Raises:
        JobError: a result, or a new scan, cannot be read.
    """
    known = {images for case in cases for images in names_of(case)}
    new = [case for case in new_cases if not case.part and images_of(case) not in known]
    if not new:
        return {}
    by_content, by_name = _gone(job, cases)
    found: dict[str, Case] = {}
    for case in new:
        of_content = by_content.get(_content(case), []) if by_content else []
        if of_content:
            found[of_content.pop(0)] = case
        elif _own_names(case) in by_name:
            found[by_name.pop(_own_names(case))] = case
    return found


def _gone(job: Job, cases: Sequence[Case]) -> tuple[dict[str, list[str]], dict[tuple[str, ...], str]]:
    """Names of the cases whose files have gone: by the content that they had, and those without a result by names."""
    by_content: dict[str, list[str]] = {}
    by_name: dict[tuple[str, ...], str] = {}
    for case in cases:
        if case.part or _is_any_there(case.images):
            continue
        files = job.prediction(case.id)
        if not files.result.is_file():
            by_name[_own_names(case)] = case.id
        elif content := (files.read_result().get("source") or {}).get("hash"):
            by_content.setdefault(content, []).append(case.id)
    return by_content, by_name


def at_new_places(datalist: Datalist, moved: Mapping[str, Case]) -> Datalist:
    """The same cases, with the files of those that were moved (`moved_scans`, `moved_training`) where they are now."""
    cases = []
    for case in datalist.cases:
        new = moved.get(case.id, case)
        label, known = new.label or case.label, new.known or case.known
        cases.append(replace(case, image=new.image, more_images=new.more_images, label=label, known=known))
    return replace(datalist, cases=tuple(cases))


def moved_training(job: Job, new_list: Datalist) -> dict[str, Case]:
    """The cases of a training, by name, as they are listed now, if all its files have gone and nothing else differs.

    Returns:
        {} where a file is still in its place, or a case has other names, another label or another mask.
    """
    cases = [case for case in job.read_datalist().cases if case.role is not Role.TEST]
    now = {case.id: case for case in new_list.cases if case.role is not Role.TEST}
    is_moved = (
        {case.id for case in cases} == set(now)
        and not any(case.part or now[case.id].part or _is_any_there(case.files) for case in cases)
        and all(_own_names(case) == _own_names(now[case.id]) for case in cases)
    )
    return now if is_moved else {}


def follow_training(job: Job, now: Mapping[str, Case]) -> list[str]:
    """Let a training go on with its files where they are now.

    Args:
        job: that the calling process has claimed.
        now: of `moved_training`.

    Returns:
        What was moved, in a sentence.

    Raises:
        DataError: they are other scans than those that it has seen; or one cannot be read.
        StorageError: the datalist cannot be written.
    """
    _require_same_scans(job, now)
    job.write_datalist(at_new_places(job.read_relative_datalist(), now))
    return [moved_sentence(list(now.values()))]


def unreadable(case: Case, error: OSError) -> JobError:
    """What to say of a scan that the system does not let us read."""
    return JobError(f"'{case.image}' cannot be read ({error.strerror or error}); make it readable again.")


def moved_sentence(cases: Sequence[Case]) -> str:
    """That cases have moved; one is named, with its place."""
    if len(cases) == 1:
        return f"'{cases[0].id}' has moved: it is now '{cases[0].image}'."
    return f"{len(cases)} cases have moved; for example, '{cases[0].id}' is now '{cases[0].image}'."


def _require_same_scans(job: Job, now: Mapping[str, Case]) -> None:
    from ..data.identity import identity_of_channels
    from ..data.scans import read_channels
    from ..training_set.record import read_record

    record = read_record(job)
    seen = {scan for role in Role for scan in (record.get("scans") or {}).get(role.value, ())}
    if not seen:
        return  # It has looked at no scan yet: all are checked when it begins.
    for case in now.values():
        if case.id in (record.get("left_out") or ()):
            continue
        if not seen.issuperset(identity_of_channels(read_channels(case)).images):
            raise DataError(
                f"'{case.image}' is not the scan that the training in '{job.folder}' has seen as '{case.id}'; name the "
                "same scans, or start a new job."
            )


def _is_any_there(paths: Sequence[str]) -> bool:
    return any(map(os.path.lexists, paths))


def _own_names(case: Case) -> tuple[str, ...]:
    return (case.id, *(os.path.basename(path) for path in (*case.images, case.label or "", case.known or "")))


def _content(case: Case) -> str:
    try:
        return content_hash(case.images)
    except OSError as error:
        raise unreadable(case, error) from error
