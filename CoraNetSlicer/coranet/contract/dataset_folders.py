"""Folders of cases: with a dataset.json, with folders of images and labels, or with images and labels side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Optional, Union

from .case_names import unique_case_names
from .channels import ImagesOfCase, by_channel
from .datalist import Case, Datalist, Label, Role
from .datalist_file import DatalistFile
from .errors import DataError
from .image_files import (
    SEGMENTATION_ENDING,
    FolderScans,
    holds_images,
    image_name,
    is_image_file,
    names_in_words,
    require_readable,
    scans_in,
)
from .label_maps import is_label_map, values_in
from .name_pairs import (
    differ_in_kind_alone,
    is_label_name,
    may_be_labels,
    pair_names,
    says_image_alone,
    says_label_alone,
)
from .segment_names import match_name, segments_of

_DATASET = "dataset.json"
_TRAINING, _TRAINING_LABELS = "imagesTr", "labelsTr"
_TEST, _TEST_LABELS = "imagesTs", "labelsTs"
_SEGMENTATION = ".seg"
_LABELS_LOOKED_AT = 3
# Where there is no list of cases: what people call such folders, in small or capital letters.
_FOLDERS = (("images", "labels"), ("images", "masks"), ("image", "label"))


def read_datalist(path: Union[str, Path]) -> Datalist:
    """Read a dataset.json.

    Args:
        path: JSON file with ``training`` [{image, label}, and ``known`` where the label is decided in part], optional
            ``unlabeled`` [{image} or path], ``validation`` and ``test`` [{image, label}], and ``labels`` {value: name}
            or {name: value}. Paths are relative to the file. Where ``channels`` (or ``channel_names``, ``modality``)
            names several, an image is a list of as many paths, {channel: path}, or one file of four dimensions. A file
            that lists no case, as nnU-Net's, has the folders ``imagesTr`` and ``labelsTr`` beside it.

    Raises:
        DataError: the file or one of its rows cannot be used; the message names both.
    """
    file = DatalistFile(path)
    folder = file.path.absolute().parent
    if not file.lists_cases and (folder / _TRAINING).is_dir():
        return _training_folders(folder, file)
    return file.datalist()


def read_input_cases(path: Union[str, Path]) -> Datalist:
    """The unlabeled and test cases of a dataset.json, to be segmented; their labels are not looked at.

    Raises:
        DataError: the file or one of its rows cannot be used, or it names no such case.
    """
    file = DatalistFile(path)
    listed = file.inputs()
    if listed.cases:
        return listed
    folder = file.path.absolute().parent / _TEST
    if file.lists_anything or not folder.is_dir():
        raise DataError(
            f"the datalist '{path}' has no 'unlabeled' and no 'test' case; add some, or name images or folders."
        )
    scans = scans_in(folder, file.ending)
    cases = _cases_of(_images_of_cases(scans, {}, file, folder), Role.INPUT)
    return file.made(cases, left_out=scans.left_out)


def find_cases(path: Union[str, Path], name_values: bool = True) -> Datalist:
    """The cases of a datalist, of an image file or of a folder.

    Args:
        path: a dataset.json; an image; or a folder: with such a dataset.json; with ``imagesTr`` and ``labelsTr`` as
            nnU-Net has them, or ``images`` and ``labels`` (an image without label is unlabeled); or with images, beside
            which label maps may lie that are known by name and content ("image001" and "label001", "p1" and "p1_seg").
            Names that end with _0000, _0001, ... are the channels of one case.
        name_values: whether values of label maps without names get names such as "label 1", for which all of
            their voxels are read. Else the datalist then has no labels.

    Raises:
        DataError: there is nothing that can be used; the message lists what was looked for.
    """
    path = Path(path).expanduser().absolute()
    if is_image_file(path):
        require_readable(path)
        return Datalist((Case(unique_case_names([image_name(path)])[0], Role.UNLABELED, str(path)),))
    if not path.is_dir():
        return read_datalist(path)
    file = DatalistFile(path / _DATASET) if (path / _DATASET).is_file() else None
    if file and file.lists_cases:
        return file.datalist()
    if (path / _TRAINING).is_dir():
        datalist = _training_folders(path, file)
    elif file and file.lists_anything:
        return file.datalist()
    else:
        folders = _image_and_label_folders(path)
        datalist = _training_folders(path, None, folders) if folders else _side_by_side(path)
    if datalist.labels or not any(case.label for case in datalist.cases):
        return datalist
    if file:
        return replace(datalist, labels=file.labels())
    return replace(datalist, labels=_named_values(datalist.cases)) if name_values else datalist


def _image_and_label_folders(folder: Path) -> Optional[tuple[str, str]]:
    """The names of the sub-folders that hold images and label maps, as they are written; None: there are none.

    Not every system finds "Images" where "images" is looked for. Beside the usual pairs, one folder alone may be named
    for images ("img", "scans") and one for labels ("msk", "segmentations").
    """
    try:
        names = sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    except OSError:
        return None  # the search for images reports it
    written = {name.lower(): name for name in names}
    for image, label in _FOLDERS:
        if image in written and label in written:
            return written[image], written[label]
    images, labels = ([name for name in names if is_kind(name)] for is_kind in (says_image_alone, says_label_alone))
    return (images[0], labels[0]) if len(images) == len(labels) == 1 else None


def value_names(path: Union[str, Path]) -> dict[int, str]:
    """What the values of a label map may be called that no list names: as the file has it, else "label 1", "label 2".

    Raises:
        DataError: the file names none, and its values cannot be read here.
    """
    names = {segment.value: segment.name for segment in segments_of(path) if segment.name}
    values = () if names else values_in(path)
    if values is None:
        raise DataError(
            f"the values of the label map '{path}' cannot be read here; name them in a {_DATASET}, with "
            '"labels": {"1": "pancreas"} or the like.'
        )
    return names or {value: f"label {value}" for value in values}


def _side_by_side(folder: Path) -> Datalist:
    """Images of one folder, and the label maps among them."""
    listed = scans_in(folder, of_labels=True)
    segmentations = [scan for scan in listed.scans if scan[1].name.lower().endswith(SEGMENTATION_ENDING)]
    scans = [scan for scan in listed.scans if scan not in segmentations] or list(scans_in(folder).scans)
    label_maps = dict([*segmentations, *_label_maps_among(scans)])
    images = [scan for scan in scans if scan[1] not in label_maps.values()]
    groups = _several_channels(images) or [(name, (image,)) for name, image in images]
    label_maps = _with_names_of([name for name, _ in groups], label_maps, folder)
    # Two images may have one name and differ in their ending alone; then no label belongs to either.
    known = Counter(name for name, _ in groups)
    of_case = {name: str(path) for name, path in label_maps.items() if known[name] == 1}
    cases = tuple(
        _of_images(name, Role.TRAINING if own in of_case else Role.UNLABELED, paths, of_case.get(own))
        for name, (own, paths) in zip(unique_case_names(own for own, _ in groups), groups, strict=False)
    )
    unused = _unused("label map", [name for name in label_maps if name not in of_case], folder)
    return Datalist(cases, left_out=(*_without(listed.left_out, _DATASET), *unused))


def _label_maps_among(scans: Sequence[tuple[str, Path]]) -> list[tuple[str, Path]]:
    """The scans that may be labels by their names, and whose voxels are labels.

    Where the first ones that are called labels are, so are the others: reading all of a large folder would take long.
    """
    suspects = [scans[index] for index in sorted(may_be_labels([name for name, _ in scans]))]
    called = [path for name, path in suspects if is_label_name(name)]
    is_trusted = all(map(_holds_labels, called[:_LABELS_LOOKED_AT]))
    label_maps = [
        (name, path)
        for name, path in suspects
        if (is_trusted or _holds_labels(path) if path in called else is_label_map(path))
    ]
    # Were all of them labels, there would be nothing to learn from.
    return label_maps if len(label_maps) < len(scans) else []


def _holds_labels(path: Path) -> bool:
    """Whether a file that is called a label map is one, also of voxels with fractions that are whole numbers."""
    return is_label_map(path) or values_in(path) is not None


def _with_names_of(images: Sequence[str], label_maps: Mapping[str, Path], folder: Path) -> dict[str, Path]:
    """Label maps by the name of the image to which their own name belongs; those that belong to none keep theirs.

    Raises:
        DataError: several belong to one image, and none of them more than the others.
    """
    names = [name for name in label_maps if name not in images]
    unlabeled = [name for name in images if name not in label_maps]
    pairs = {names[label]: unlabeled[image] for label, image in pair_names(unlabeled, names).items()}
    others = [name for name in names if name not in pairs]
    taken = {image: name for name, image in pairs.items()}
    for label, image in pair_names(unlabeled, others).items():
        name, other = unlabeled[image], others[label]
        if name in taken and differ_in_kind_alone(name, other) == differ_in_kind_alone(name, taken[name]):
            raise DataError(
                f"in '{folder}' the image '{name}' has several label maps, '{label_maps[taken[name]].name}' and "
                f"'{label_maps[other].name}'; merge them into one, with a value for each structure, or keep one of "
                "them in the folder."
            )
    return {pairs.get(name, name): path for name, path in label_maps.items()}


def _named_values(cases: Sequence[Case]) -> tuple[Label, ...]:
    """Labels for the values of label maps that no list has named: by the names in the files, else by number."""
    names = [pair for case in cases if case.label for pair in value_names(case.label).items()]
    labels: dict[str, int] = {}
    for value, name in names:
        if match_name(name, labels) is None:
            free = (value for value in count(1) if value not in labels.values())
            labels[name] = value if value not in labels.values() else next(free)
    return tuple(Label(value, name) for name, value in labels.items())


def _without(sentences: Sequence[str], name: str) -> tuple[str, ...]:
    return tuple(sentence for sentence in sentences if f"'{name}' is left out" not in sentence)


def _several_channels(scans: Sequence[tuple[str, Path]]) -> Optional[list[ImagesOfCase]]:
    """Images grouped by case, if there are several of each of several cases; None: they are cases of their own."""
    try:
        groups = by_channel(scans) or []
    except DataError:
        return None  # numbers of cases, not of channels
    return groups if len(groups) > 1 and all(len(paths) > 1 for _, paths in groups) else None


def _training_folders(
    folder: Path, file: Optional[DatalistFile], names: tuple[str, str] = (_TRAINING, _TRAINING_LABELS)
) -> Datalist:
    """Cases by the names of their files: training and unlabeled ones, and test cases whose label is there."""
    ending = file.ending if file else ""
    label_maps, left_out = _label_maps(folder / names[1], ending)
    scans = scans_in(folder / names[0], ending)
    images = _images_of_cases(scans, label_maps, file, folder)
    label_maps = _with_names_of(list(images), label_maps, folder)
    cases = _cases_of(images, Role.UNLABELED, label_maps, Role.TRAINING)
    left_out += [*scans.left_out, *_unused("label map", [name for name in label_maps if name not in images], folder)]
    left_out += _beside(folder, names)
    if file:
        left_out += file.notes(sum(name in label_maps for name in images))
    if names[0] == _TRAINING and (folder / _TEST).is_dir() and any((folder / _TEST).iterdir()):
        tests, more = _test_cases(folder, file, cases)
        cases, left_out = [*cases, *tests], [*left_out, *more]
    labels = file.labels() if file and label_maps else ()
    if file:
        return file.made(cases, labels, left_out)
    return Datalist(tuple(cases), left_out=tuple(left_out))


def _beside(folder: Path, names: tuple[str, str]) -> list[str]:
    """A sentence on images beside the two folders, such as in a folder "unlabeled"; [] if there are none."""
    used = {*names, *((_TEST, _TEST_LABELS) if names[0] == _TRAINING else ())}
    others = [entry for entry in sorted(folder.iterdir()) if entry.name not in used and not entry.name.startswith(".")]
    found = [entry.name for entry in others if is_image_file(entry) or (entry.is_dir() and holds_images(entry))]
    if not found:
        return []
    verb, what = ("is", "it lies") if len(found) == 1 else ("are", "they lie")
    return [
        f"in '{folder}' {names_in_words(found)} {verb} left out: {what} beside '{names[0]}', where all scans must be; "
        "move the scans there, or list the cases in a dataset.json."
    ]


def _test_cases(folder: Path, file: Optional[DatalistFile], others: Sequence[Case]) -> tuple[list[Case], list[str]]:
    """The test cases that have a label, and what is left out."""
    ending = file.ending if file else ""
    label_maps, left_out = _label_maps(folder / _TEST_LABELS, ending)
    scans = scans_in(folder / _TEST, ending)
    images = _images_of_cases(scans, label_maps, file, folder)
    measured = {name: paths for name, paths in images.items() if name in label_maps}
    left_out += [*scans.left_out, *_unused("image", [name for name in images if name not in measured], folder / _TEST)]
    cases = _cases_of(measured, Role.TEST, label_maps, Role.TEST)
    names = unique_case_names([*(case.id for case in others), *(case.id for case in cases)])[len(others) :]
    return [replace(case, id=name) for name, case in zip(names, cases, strict=False)], left_out


def _unused(kind: str, names: Sequence[str], folder: Path) -> list[str]:
    """A sentence on files that have no counterpart; [] if there are none."""
    if not names:
        return []
    lacks = "image" if kind == "label map" else "label map"
    if len(names) == 1:
        return [f"in '{folder}' the {kind} {names_in_words(names)} is left out: it has no {lacks} with the same name."]
    return [f"in '{folder}' {len(names)} {kind}s are left out, {names_in_words(names)}: no {lacks} has the same name."]


def _label_maps(folder: Path, ending: str) -> tuple[dict[str, Path], list[str]]:
    """Label maps of a folder by the name of their case, and what else is there.

    Raises:
        DataError: two have one name.
    """
    if not folder.is_dir() or not any(not entry.name.startswith(".") for entry in folder.iterdir()):
        return {}, []
    scans = scans_in(folder, ending, of_labels=True)
    named = [(_without_segmentation(name), path) for name, path in scans.scans]
    return _by_name(named, folder), list(scans.left_out)


def _without_segmentation(name: str) -> str:
    return name[: -len(_SEGMENTATION)] if name.lower().endswith(_SEGMENTATION) else name


def _by_name(named: Sequence[tuple[str, Path]], folder: Path) -> dict[str, Path]:
    paths: dict[str, Path] = {}
    for name, path in named:
        if name in paths:
            raise DataError(
                f"'{folder}' has '{paths[name].name}' and '{path.name}' with the same name; keep or rename one of them."
            )
        paths[name] = path
    return paths


def _images_of_cases(
    scans: FolderScans, label_maps: Mapping[str, Path], file: Optional[DatalistFile], folder: Path
) -> dict[str, tuple[Path, ...]]:
    """Images by the name that their label maps have: nnU-Net appends _0000, _0001, ... for the channels of one case."""
    images = _by_name(scans.scans, folder)
    if not any(name in label_maps for name in images):
        grouped = by_channel(scans.scans, file.channels if file else ())
        if grouped is not None:
            return dict(grouped)
    if file is None:
        return {name: (path,) for name, path in images.items()}
    return {name: tuple(map(Path, file.images_of(str(path))[1])) for name, path in images.items()}


def _cases_of(
    images: Mapping[str, Sequence[Path]],
    role: Role,
    label_maps: Optional[Mapping[str, Path]] = None,
    labeled: Role = Role.INPUT,
) -> list[Case]:
    """A case of each name: of one role, or of another where it has a label map."""
    label_of = label_maps or {}
    return [
        _of_images(
            identifier, labeled if name in label_of else role, paths, str(label_of[name]) if name in label_of else None
        )
        for identifier, (name, paths) in zip(unique_case_names(images), images.items(), strict=False)
    ]


def _of_images(name: str, role: Role, images: Sequence[Path], label: Optional[str] = None) -> Case:
    first, *more = map(str, images)
    return Case(name, role, first, label, more_images=tuple(more))
