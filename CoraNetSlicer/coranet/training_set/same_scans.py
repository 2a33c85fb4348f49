"""One scan under several names, known by its voxels, and one label map on several scans."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from ..contract import Case, Job, Role
from ..contract.errors import JobError
from ..contract.events import Warned
from ..contract.image_files import names_in_words
from .survey import MeasuredCase, Survey

_TEXT_OF_ROLE = {
    Role.TRAINING: "labeled", Role.UNLABELED: "unlabeled", Role.VALIDATION: "validation", Role.TEST: "test",
}  # fmt: skip
# Code of the warning that belongs beside the validation Dice.
LEAKED = "same_scan_in_validation"
# Keys of a model's card: scans of the models from which it went on.
EARLIER = "earlier"
_TEXT_OF_KEY = {
    "training": "the model has learned from it with its label",
    "unlabeled": "the model has learned from it without its label",
    "validation": "the best step was chosen by it",
    EARLIER: "an earlier model, from which the training went on, has seen it",
}


def same_scans(survey: Survey, cases: Sequence[Case], channels: Sequence[str] = ()) -> list[Warned]:
    """A warning for each image that several cases have, or a case several times, whatever the files are called.

    Args:
        survey: what was found in the cases.
        cases: with the roles that they have in the training, test cases included.
        channels: names of the channels; (): there is one.
    """
    roles = {case.id: case.role for case in cases}
    warnings, compared = [], set()
    for images in _alike((roles[case.case.id], case) for case in survey.cases.values() if case.case.id in roles):
        group = [(role, measured) for role, measured, _ in images]
        owners = tuple(measured.case.id for _, measured in group)
        if owners in compared:
            continue  # another channel of the same cases
        compared.add(owners)
        names = " and ".join(_described(*image, channels) for image in images)
        if len(set(owners)) == 1:
            consequence = f"case '{owners[0]}' learns nothing from the second one; give it its own image"
            warnings.append(Warned("same_channel", f"{names} are the same image, voxel for voxel: {consequence}."))
            continue
        code = LEAKED if _leaks_into_validation(group) else "same_scan"
        warnings.append(Warned(code, f"{names} are the same scan, voxel for voxel: {_consequence(group)}."))
    return warnings


def doubled(survey: Survey) -> frozenset[str]:
    """Names of the cases whose scan another case has, too: what is measured on one, the other one has taught."""
    used = [(case.case.role, case) for case in survey.cases.values() if case.case.role is not Role.TEST]
    groups = [{measured.case.id for _, measured, _ in images} for images in _alike(used)]
    return frozenset(name for names in groups if len(names) > 1 for name in names)


def same_labels(survey: Survey) -> list[Warned]:
    """A warning for each label map that several scans have."""
    by_label: dict[str, list[MeasuredCase]] = {}
    for measured in survey.cases.values():
        if measured.label_hash and not measured.is_empty:
            by_label.setdefault(measured.label_hash, []).append(measured)
    return [
        Warned(
            "same_label",
            f"{' and '.join(_quoted(measured.case.label for measured in group))} are the same label map, "
            "voxel for voxel, on different scans: unless these are images of one patient, one has the label of another "
            "scan; check them.",
        )
        for group in by_label.values()
        if len({member.scan_hash for member in group}) > 1
    ]


def scans_by_role(survey: Survey, cases: Sequence[Case]) -> dict[str, list[str]]:
    """Hashes of the scans that a training uses, by role, for the card of its model."""
    hashes_of: dict[str, list[str]] = {}
    for case in cases:
        if case.id in survey.cases and case.role is not Role.TEST:
            measured = survey.cases[case.id]
            hashes_of.setdefault(case.role.value, []).extend((measured.scan_hash, *measured.more_hashes))
    return {role: sorted(set(hashes)) for role, hashes in hashes_of.items()}


def seen_in_training(images: Collection[str], scans: Mapping[str, Collection[str]]) -> str:
    """How a model knows a scan: "training", "unlabeled", "validation" or "earlier"; "" where it does not.

    Args:
        images: hashes of its images (`ScanIdentity.images`).
        scans: of the model's card; {} of a version without them.
    """
    return next((key for key in _TEXT_OF_KEY if not set(images).isdisjoint(scans.get(key) or ())), "")


def images_of_results(job: Job, cases: Iterable[Case]) -> dict[str, tuple[str, ...]]:
    """Hashes of the images of segmented cases, as their results have them; () where a result does not tell."""
    images: dict[str, tuple[str, ...]] = {}
    for case in cases:
        try:
            scan = job.prediction(case.id).read_result().get("scan")
        except JobError:
            scan = None
        known = scan if isinstance(scan, dict) else {}
        images[case.id] = (known["voxels"], *(known.get("more_voxels") or ())) if known.get("voxels") else ()
    return images


def given_twice(images: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """Names of the cases that are one scan, in groups, whatever the files are called; by the hashes of their images."""
    cases: dict[tuple[str, ...], list[str]] = {}
    for case, hashes in images.items():
        if hashes:
            cases.setdefault(tuple(hashes), []).append(case)
    return [group for group in cases.values() if len(group) > 1]


def leakage_sentence(known_as: Mapping[str, str]) -> str:
    """What has to stand beside a metric: which cases the model knows, and how; "" where it knows none."""
    known_by_key = [
        f"{names_in_words(names)}: {_TEXT_OF_KEY[key]}"
        for key in _TEXT_OF_KEY
        if (names := [case for case, known in known_as.items() if known == key])
    ]
    return (
        f"these figures are too good, because they include scans that the model knows ({'; '.join(known_by_key)})"
        if known_by_key
        else ""
    )


def _alike(cases: Iterable[tuple[Role, MeasuredCase]]) -> list[list[tuple[Role, MeasuredCase, int]]]:
    """Images that are there several times, each with its number among the channels of its case."""
    by_hash: dict[str, list[tuple[Role, MeasuredCase, int]]] = {}
    for role, measured in cases:
        for channel, hashed in enumerate((measured.scan_hash, *measured.more_hashes)):
            if hashed:
                by_hash.setdefault(hashed, []).append((role, measured, channel))
    return [images for images in by_hash.values() if len(images) > 1]


def _described(role: Role, measured: MeasuredCase, channel: int, channels: Sequence[str]) -> str:
    image = measured.case.images[channel] if channel else measured.case.described_image
    name = f"{channels[channel]}, " if len(channels) > 1 else ""
    return f"'{image}' ({name}{_TEXT_OF_ROLE[role]})"


def _leaks_into_validation(group: Sequence[tuple[Role, MeasuredCase]]) -> bool:
    roles = {role for role, _ in group}
    return Role.VALIDATION in roles and not roles.isdisjoint((Role.TRAINING, Role.UNLABELED))


def _consequence(group: Sequence[tuple[Role, MeasuredCase]]) -> str:
    roles = {role for role, _ in group}
    labels = {measured.label_hash for _, measured in group if measured.label_hash}
    if _leaks_into_validation(group):
        return "the validation Dice is too good, and the best step is chosen by it; leave one of them out"
    if Role.TEST in roles and len(roles) > 1:
        return "what an evaluation measures on it is too good; leave one of them out"
    if len(labels) > 1:
        return "it counts twice, with different labels; leave one of them out"
    if roles == {Role.TRAINING, Role.UNLABELED}:
        return "without its label it teaches nothing more; leave one of them out"
    return "it counts twice; leave one of them out"


def _quoted(names: Iterable[str | None]) -> list[str]:
    return [f"'{name}'" for name in names]
