"""The cases that a training works with: all are looked at, what cannot be used is named, some are set aside."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..contract import Case, Datalist, Job, Label, Role
from ..contract.config import TrainConfig
from ..contract.errors import DataError
from ..contract.events import Noted, Warned
from ..contract.image_files import names_in_words
from ..contract.segment_names import meaning_of
from ..data.datalist import with_validation_cases
from ..data.series import divide_series
from ..model_package import ModelPackage
from ..reporting import Reporter
from .record import read_record, write_record
from .same_scans import EARLIER, doubled, same_labels, same_scans, scans_by_role
from .survey import USED_ROLES, Survey, survey_cases
from .unlike import unlike_others

# Of more reasons than this, only the names of the cases are given.
_MOST_REASONS = 12


@dataclass(frozen=True)
class TrainingSet:
    """The cases of a training.

    Attributes:
        datalist: those that can be used, with some set aside for validation.
        survey: what was found in them; empty where a training is resumed, which needs it no more.
    """

    datalist: Datalist
    survey: Survey


def checked_cases(
    job: Job, datalist: Datalist, config: TrainConfig, reporter: Reporter, initial: ModelPackage | None = None,
    is_timed: bool = False,
) -> TrainingSet:  # fmt: skip
    """Look at all cases before anything is computed.

    Unlabeled cases that cannot be used are left out, or refused, as `data.unusable_unlabeled` says. What was left out
    stays so when the training is resumed.

    Args:
        job: its directory, where the cases set aside for validation and what was left out are kept.
        datalist: its cases.
        config: of the training.
        reporter: gets the findings.
        initial: the model from which the training goes on; None: none.
        is_timed: whether to measure how long a case takes, also where the training has no time.

    Raises:
        DataError: a labeled case cannot be used; all of them are named. Or none holds a structure.
        JobCancelled: stopped on request.
    """
    if job.last_checkpoint_path.exists() and job.plan_path.exists():
        # What was decided on stays; versions before kept no record, and left nothing out.
        used = _without(datalist, read_record(job).get("left_out") or ())
        _require_in_place(job, used)
        return TrainingSet(used, Survey())
    datalist = divide_series(job, datalist, reporter)
    survey = survey_cases(datalist, reporter, is_timed=is_timed or bool(config.time))
    _require_usable(datalist, survey, config, reporter)
    usable = _without(datalist, survey.unusable)
    _require_structures(usable, survey)
    unfit = survey.empty | doubled(survey)
    complete = with_validation_cases(usable, config.data.validation_cases, config.seed, unfit)
    if complete != usable:
        # With those that are left out: their files may be there again at a new start.
        chosen = {case.id for case in complete.with_role(Role.VALIDATION)}
        cases = [replace(case, role=Role.VALIDATION) if case.id in chosen else case for case in datalist.cases]
        job.write_datalist(replace(datalist, cases=tuple(cases)))
    findings = _findings(complete, survey, config)
    for event in findings:
        reporter.emit(event)
    left_out = {case.id: survey.unusable[case.id] for case in datalist.cases if case.id in survey.unusable}
    scans = {**scans_by_role(survey, complete.cases), **_earlier(initial)}
    write_record(job, left_out, scans, _counts(datalist, complete, survey, findings))
    return TrainingSet(complete, survey)


def _earlier(initial: ModelPackage | None) -> dict[str, list[str]]:
    """The scans that the model has seen from which a training goes on."""
    scans = (initial.card.get("scans") if initial else None) or {}
    return {EARLIER: sorted({hashe for hashes in scans.values() for hashe in hashes})} if scans else {}


def _counts(
    datalist: Datalist, complete: Datalist, survey: Survey, findings: Sequence[Noted | Warned]
) -> dict[str, int]:  # fmt: skip
    """The number of each finding for the card of the model."""
    counts = Counter(event.code for event in findings if isinstance(event, Warned))
    for role, code in ((Role.TRAINING, "no_structure"), (Role.VALIDATION, "no_structure_in_validation")):
        counts[code] = sum(measured.is_empty for measured in survey.of(complete.with_role(role)))
    counts["left_out"] = sum(case.id in survey.unusable for case in datalist.with_role(Role.UNLABELED))
    return {code: count for code, count in counts.items() if count}


def _require_in_place(job: Job, datalist: Datalist) -> None:
    """Refuse to go on without a file, and say how to go on where it was moved."""
    files = [path for case in datalist.with_role(*USED_ROLES) for path in case.files]
    missing = [path for path in files if not Path(path).exists()]
    if missing:
        more = f" and {len(missing) - 1} more files" if len(missing) > 1 else ""
        raise DataError(
            f"'{missing[0]}'{more} cannot be found; bring back what is missing, or if all files were moved, go on with "
            f"coranet train DATALIST --output {job.folder} --resume."
        )


def _without(datalist: Datalist, left_out: Any) -> Datalist:
    return replace(datalist, cases=tuple(case for case in datalist.cases if case.id not in left_out))


def _require_usable(datalist: Datalist, survey: Survey, config: TrainConfig, reporter: Reporter) -> None:
    """Refuse labeled cases that cannot be used, all at once; leave out, or refuse, unlabeled ones."""
    labeled, unlabeled, test = (
        [case for case in datalist.with_role(*roles) if case.id in survey.unusable]
        for roles in ((Role.TRAINING, Role.VALIDATION), (Role.UNLABELED,), (Role.TEST,))
    )
    if test:
        reporter.emit(Warned("test_unusable", f"{_named(test, 'test', survey)} Nothing can be measured there."))
    refuses = config.data.unusable_unlabeled == "refuse"
    if unlabeled and not refuses:
        reporter.emit(Warned("left_out", f"{_named(unlabeled, 'unlabeled', survey)} Left out of the training."))
    wrong = [*labeled, *unlabeled] if refuses else labeled
    if wrong:
        raise DataError(_named(wrong, "" if unlabeled and refuses else "labeled", survey))


def _named(cases: Sequence[Case], kind: str, survey: Survey) -> str:
    """All cases that cannot be used, with the reasons of the first ones; one alone is its reason."""
    reasons = [survey.unusable[case.id] for case in cases]
    if len(cases) == 1:
        return reasons[0]
    listed = " ".join(f"({number}) {reason}" for number, reason in enumerate(reasons[:_MOST_REASONS], start=1))
    more = ", ".join(f"'{case.described_image}'" for case in cases[_MOST_REASONS:])
    kinds = f"{kind} cases" if kind else "cases"
    return f"{len(cases)} {kinds} cannot be used: {listed}" + (f" And {more}." if more else "")


def _require_structures(datalist: Datalist, survey: Survey) -> None:
    labeled = survey.of(datalist.with_role(Role.TRAINING))
    if labeled and all(case.is_empty for case in labeled):
        names = ", ".join(f"'{measured.case.label}'" for measured in labeled[:_MOST_REASONS])
        values = sorted(label.value for label in datalist.labels)
        raise DataError(
            f"the labels of all {len(labeled)} labeled cases are empty: none of the values {values} occurs in {names}; "
            "segment the structures to learn in at least one of them."
        )


def _findings(datalist: Datalist, survey: Survey, config: TrainConfig) -> list[Noted | Warned]:
    """What a person should know of the cases."""
    return [
        *_read_by_names(datalist.with_role(Role.TRAINING, Role.VALIDATION)),
        *_other_grids([case.case.id for case in survey.cases.values() if case.has_other_grids]),
        *_other_axes(survey),
        *_without_structure(datalist, survey),
        *_without_background(survey),
        *_inside_out(survey, datalist.labels),
        *_drawn_on_some_slices(survey, datalist.labels),
        *_looking_like_labels(survey),
        *same_scans(survey, datalist.cases, datalist.channel_names),
        *same_labels(survey),
        *unlike_others(survey.of(datalist.cases), datalist.labels),
        *_not_validated(datalist),
        *_thin_data(datalist, config),
    ]


def _read_by_names(cases: Sequence[Case]) -> Iterator[Noted]:
    """What a person should know whose label maps have other values than the datalist for the same names."""
    label_maps = [case.label for case in cases if meaning_of(case) is not None]
    if label_maps:
        maps = (
            f"{len(label_maps)} label maps, such as '{label_maps[0]}', have"
            if len(label_maps) > 1
            else f"'{label_maps[0]}' has"
        )
        yield Noted("label_names", f"{maps} the structures of the datalist under other values; the names count.")


def _other_grids(cases: Sequence[str]) -> Iterator[Noted]:
    if cases:
        count = f"{len(cases)} cases, such as '{cases[0]}', have" if len(cases) > 1 else f"case '{cases[0]}' has"
        yield Noted(
            "other_grids",
            f"{count} images on different grids; each is resampled to the grid of its case's first image.",
        )


def _other_axes(survey: Survey) -> Iterator[Noted]:
    """Where left and right are exchanged in a header, it is often that of the few that store their axes otherwise."""
    by_axes: dict[str, list[str]] = {}
    for case in survey.cases.values():
        if case.traits is not None:
            by_axes.setdefault(case.traits.axes, []).append(case.case.id)
    ordered = sorted(by_axes.items(), key=lambda item: -len(item[1]))
    if len(ordered) > 1:
        (first, most), *others = ordered
        counts = ", ".join(f"{axes} ('{cases[0]}'{' and others' if len(cases) > 1 else ''})" for axes, cases in others)
        message = f"{len(most)} cases store their axes in the order {first}, but {counts}; all are turned to one order"
        yield Noted("other_axes", f"{message} by their headers, which must be right.")


def _without_structure(datalist: Datalist, survey: Survey) -> Iterator[Warned]:
    """A segmentation without anything is more often forgotten than meant."""
    training, validating = (
        [f"'{measured.case.label}'" for measured in survey.of(datalist.with_role(role)) if measured.is_empty]
        for role in (Role.TRAINING, Role.VALIDATION)
    )
    if training:
        verb = "hold no structure: these cases teach" if len(training) > 1 else "holds no structure: this case teaches"
        them = "them" if len(training) > 1 else "it"
        message = f"{', '.join(training)} {verb} that there is none. If something is to be seen there, segment it"
        yield Warned("no_structure", f"{message}, or make {them} unlabeled.")
    if validating:
        verb = "hold" if len(validating) > 1 else "holds"
        message = f"{', '.join(validating)} {verb} no structure: whatever is found there counts as a Dice of 0"
        yield Warned("no_structure_in_validation", f"{message}, and nothing found counts for nothing.")


def _without_background(survey: Survey) -> Iterator[Warned]:
    """A label that covers its whole scan is more often a mask of the field of view than a structure."""
    labels = [
        f"'{measured.case.label}'"
        for measured in survey.cases.values()
        if not measured.has_background and not measured.case.is_partial
    ]
    if labels:
        verb = "leave" if len(labels) > 1 else "leaves"
        message = (
            f"{', '.join(labels[:_MOST_REASONS])} {verb} no voxel of the scan free: there is no background to learn"
        )
        yield Warned("no_background", f"{message}; check that the structures of this scan are meant.")


def _inside_out(survey: Survey, labels: Sequence[Label]) -> Iterator[Warned]:
    """A structure that lies around everything is more often the background, painted in place of what lies in it."""
    for label in labels:
        found = [
            measured.case.label
            for measured in survey.cases.values()
            if measured.around == label.value and measured.has_background and not measured.case.is_partial
        ]
        if found:
            yield Warned(
                "inside_out",
                f"in '{found[0]}'{_and_more(found)}, '{label.name}' lies along the whole border of the scan, as "
                "background does; check whether structure and background are exchanged.",
            )


def _drawn_on_some_slices(survey: Survey, labels: Sequence[Label]) -> Iterator[Warned]:
    """Who draws every fifth slice may have forgotten to fill those between, which are background then."""
    for label in labels:
        found = [
            (measured.case.label, structure.drawn)
            for measured in survey.cases.values()
            if measured.traits is not None and not measured.case.is_partial
            for structure in [measured.traits.structures.get(label.value)]
            if structure is not None and structure.drawn is not None
        ]
        if found:
            first, slices = found[0]
            yield Warned(
                "some_slices",
                f"'{first}' has '{label.name}' on {slices.drawn} of {slices.of} slices{_and_more(found)}: those "
                "between teach that there is none; fill between slices, or list a mask of the drawn slices as 'known'.",
            )


def _and_more(found: Sequence[object]) -> str:
    """How many label maps there are besides the first, which is named; "" for none."""
    others = len(found) - 1
    return f" (and {others} more label {'maps' if others > 1 else 'map'})" if others else ""


def _looking_like_labels(survey: Survey) -> Iterator[Warned]:
    """A label map that was named in place of the scan teaches nothing about scans."""
    images = [measured.case.image for measured in survey.cases.values() if measured.looks_like_labels]
    if images:
        verb = "look like label maps, not like scans" if len(images) > 1 else "looks like a label map, not like a scan"
        message = f"{names_in_words(images)} {verb}: few values, all whole numbers, mostly 0"
        yield Warned("label_map_as_image", f"{message}; check that the right files are named as images.")


def _not_validated(datalist: Datalist) -> Iterator[Noted]:
    if not datalist.with_role(Role.VALIDATION):
        count = len(datalist.with_role(Role.TRAINING))
        taught = f"all {count} labeled cases teach" if count > 1 else "the labeled case teaches"
        yield Noted(
            "no_validation",
            f"{taught} and none validates, so the model of the last step is kept; "
            "give a case the role validation to follow the Dice.",
        )


def _thin_data(datalist: Datalist, config: TrainConfig) -> Iterator[Warned]:
    if not datalist.without_all_labels() and config.training.method != "supervised":
        yield Warned(
            "no_unlabeled", "there is no unlabeled case, so the training is supervised only; add scans to learn more."
        )
