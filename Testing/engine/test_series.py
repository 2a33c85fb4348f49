"""DICOM series of several images become cases, or the one of a label is taken; each is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from dicom_files import positions, voxels, write_frames, write_series

from coranet.contract import Case, Datalist, Job, JobKind, Role
from coranet.contract.config import TrainConfig
from coranet.contract.errors import DataError, JobCancelled
from coranet.contract.events import Warned
from coranet.data.scans import read_scan, scan_grid
from coranet.data.series import divide_series, divided_series
from coranet.reporting import Reporter
from coranet.volume import Grid, parts_of, read_grid, read_image, write_volume

quiet = Reporter(lambda event: None, lambda: False)


def echoes(folder: Path) -> None:
    for number, time in enumerate((4.6, 9.2)):
        write_series(folder, voxels(seed=number), positions(), name=f"e{number}-", Modality="MR", EchoTime=time)


def phases(folder: Path) -> None:
    for number in (1, 2, 3):
        array = voxels(seed=number)
        write_series(folder, array, positions(), name=f"t{number}-", TemporalPositionIdentifier=number)


def orientations(folder: Path) -> None:
    write_series(folder, voxels(), positions(), name="a")
    places = [(2.0 * k, 4.0, 10.0) for k in range(5)]
    write_series(folder, voxels(5), places, name="s", ImageOrientationPatient=(0.0, 1.0, 0.0, 0.0, 0.0, -1.0))


def oblique_orientations(folder: Path) -> None:
    """Two stacks that have the same name but for a number."""
    for number, angle in enumerate((10.0, 25.0)):
        sine, cosine = np.sin(np.radians(angle)), np.cos(np.radians(angle))
        normal = np.array([0.0, -sine, cosine])
        places = [tuple((2.0 * k * normal).tolist()) for k in range(7)]
        axes = (1.0, 0.0, 0.0, 0.0, float(cosine), float(sine))
        write_series(folder, voxels(seed=number), places, name=f"o{number}", ImageOrientationPatient=axes)


def orientations_with_echoes(folder: Path) -> None:
    echoes(folder)
    places = [(2.0 * k, 4.0, 10.0) for k in range(5)]
    write_series(folder, voxels(5), places, name="s", ImageOrientationPatient=(0.0, 1.0, 0.0, 0.0, 0.0, -1.0))


def echoes_and_a_scout(folder: Path) -> None:
    echoes(folder)
    kind = ("ORIGINAL", "PRIMARY", "LOCALIZER")
    write_series(folder, voxels(3), [(0.0, 50.0 * k, 0.0) for k in range(3)], name="scout", ImageType=kind)


def frames(folder: Path) -> None:
    array = np.concatenate([voxels(seed=number) for number in range(3)])
    groups = [{"FrameContentSequence": {"TemporalPositionIndex": number}} for number in (1, 2, 3) for _ in range(7)]
    write_frames(folder / "x.dcm", array, positions() * 3, groups)


DIVIDED = [
    (echoes, ["CT_echo_time_4.6", "CT_echo_time_9.2"], ["echo time 4.6", "echo time 9.2"]),
    (phases, [f"CT_temporal_position_{n}" for n in (1, 2, 3)], [f"temporal position {n}" for n in (1, 2, 3)]),
    (orientations, ["CT_axial_6_x_5", "CT_sagittal_6_x_5"], ["axial 6 x 5", "sagittal 6 x 5"]),
    (oblique_orientations, ["CT_axial_6_x_5_1", "CT_axial_6_x_5_2"], ["axial 6 x 5 (1)", "axial 6 x 5 (2)"]),
    (
        orientations_with_echoes,
        ["CT_axial_6_x_5_echo_time_4.6", "CT_axial_6_x_5_echo_time_9.2", "CT_sagittal_6_x_5"],
        ["axial 6 x 5, echo time 4.6", "axial 6 x 5, echo time 9.2", "sagittal 6 x 5"],
    ),
    (echoes_and_a_scout, ["CT_echo_time_4.6", "CT_echo_time_9.2"], ["echo time 4.6", "echo time 9.2"]),
    (frames, [f"CT_temporal_position_{n}" for n in (1, 2, 3)], [f"temporal position {n}" for n in (1, 2, 3)]),
]  # fmt: skip


@pytest.fixture(scope="module")
def written() -> dict[Callable[[Path], None], Path]:
    """The folder of each function above that was called."""
    return {}


@pytest.fixture
def a_series(make, written, tmp_path_factory) -> Path:
    """The folder that the function of this test's row writes, once for all tests; to be read only."""
    if make not in written:
        written[make] = tmp_path_factory.mktemp("Müller Ⅱ 心臓") / "CT"
        make(written[make])
    return written[make]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "names", "parts", "role"),
    [*((*row, Role.UNLABELED) for row in DIVIDED), (*DIVIDED[0], Role.INPUT)],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_each_image_is_a_case_with_its_name(a_series, names, parts, role):
    before = Datalist((Case("CT", role, str(a_series)),))
    divided = divided_series(before, quiet)
    cases = divided.datalist.cases
    assert [case.id for case in cases] == names and [case.part for case in cases] == parts
    assert {case.role for case in cases} == {role}
    assert len(divided.sentences) == 1 and f"is one DICOM series of {len(parts)} images" in divided.sentences[0]
    assert all(f"'{name}' ({part}, " in divided.sentences[0] for name, part in zip(names, parts, strict=True))
    scans = [read_scan(case) for case in cases]
    for case, scan, part in zip(cases, scans, parts_of(a_series), strict=True):
        assert scan.voxels.shape[0] == len(part.slices) and scan.grid == scan_grid(case)
    # Each is another image.
    assert len({scan.voxels.tobytes() for scan in scans}) == len(cases)
    # It is divided once; kept and read again it is the same.
    assert divided_series(divided.datalist, quiet) == (type(divided))(divided.datalist)
    assert Datalist.from_dict(divided.datalist.to_dict()) == divided.datalist


def plain(folder: Path) -> None:
    write_series(folder, voxels(), positions())


def damaged(folder: Path) -> None:
    echoes(folder)
    path = next(folder.iterdir())
    path.write_bytes(path.read_bytes()[:-20])


def with_a_missing_slice(folder: Path) -> None:
    plain(folder)
    sorted(folder.iterdir())[3].unlink()


@pytest.mark.parametrize("make", [plain, damaged, with_a_missing_slice])
def test_what_is_one_image_or_cannot_be_read_stays_as_it_is(tmp_path, make):
    make(tmp_path / "CT")
    before = Datalist((Case("CT", Role.INPUT, str(tmp_path / "CT")),))
    assert divided_series(before, quiet) == type(divided_series(before, quiet))(before)


def test_a_file_is_the_image_that_it_belongs_to_and_channels_are_images_of_one_case(tmp_path):
    echoes(tmp_path / "CT")
    file, folder = str(next((tmp_path / "CT").iterdir())), str(tmp_path / "CT")
    for case in (Case("a", Role.INPUT, file), Case("a", Role.INPUT, folder, more_images=(folder,))):
        assert divided_series(Datalist((case,)), quiet).datalist.cases == (case,)


def test_names_are_free_and_those_that_are_complete_stay(tmp_path):
    echoes(tmp_path / "CT")
    others = [Case(name, Role.INPUT, str(tmp_path / name)) for name in ("CT_echo_time_4.6", "b")]
    before = Datalist((*others, Case("CT", Role.INPUT, str(tmp_path / "CT"))))
    names = [case.id for case in divided_series(before, quiet).datalist.cases]
    assert names == ["CT_echo_time_4.6", "b", "CT_echo_time_4.6_2", "CT_echo_time_9.2"]
    assert divided_series(before, quiet, finished={"CT"}).datalist == before


def label_on(grid: Grid, path: Path) -> str:
    write_volume(path, np.ones(grid.size_ijk[::-1], np.uint8), grid)
    return str(path)


# A series, the number of the image on whose grid the other file lies, and the part that is taken; "": none is.
ON_A_GRID: list[tuple[Callable[[Path], None], int, str]] = [
    (orientations, 0, "axial 6 x 5"),
    (orientations, 1, "sagittal 6 x 5"),
    (oblique_orientations, 1, "axial 6 x 5 (2)"),
    (orientations_with_echoes, 2, "sagittal 6 x 5"),
    (echoes, 0, ""),
    (phases, 1, ""),
    (frames, 1, ""),
    (orientations_with_echoes, 0, ""),
]
TAKEN, UNDECIDED = ON_A_GRID[1], ON_A_GRID[4]


@pytest.mark.parametrize(
    ("make", "number", "part", "role"),
    [
        *((*row, Role.TRAINING) for row in ON_A_GRID),
        *((*row, role) for row in (TAKEN, UNDECIDED) for role in (Role.VALIDATION, Role.TEST)),
    ],
)
def test_of_a_labeled_series_the_image_is_taken_on_whose_grid_its_label_alone_lies(
    tmp_path, a_series, number, part, role
):
    label = label_on(read_grid(a_series, number), tmp_path / "label.nrrd")
    divided = divided_series(Datalist((Case("CT", role, str(a_series), label),)), quiet)
    (case,) = divided.datalist.cases
    assert (case.id, case.part, case.label) == ("CT", part, label)
    if part:
        assert f"lies on the grid of {part}, which is taken" in divided.sentences[0]
        assert read_grid(label).difference(scan_grid(case)) == ""
    else:
        assert "of them." in divided.sentences[0] and case.image == str(a_series)
        with pytest.raises(DataError, match="give a file of the one that is meant"):
            read_scan(case)


@pytest.mark.parametrize(
    ("make", "number", "part", "place", "reference"),
    [
        *((*row, 0, "label") for row in ON_A_GRID),
        *((*row, *order) for row in (TAKEN, UNDECIDED) for order in ((1, "label"), (0, "channel"), (1, "channel"))),
    ],
)
def test_of_a_channel_the_image_is_taken_that_alone_lies_on_the_grid_of_the_others(
    tmp_path, a_series, number, part, place, reference
):
    grid = read_grid(a_series, number)
    other = label_on(grid, tmp_path / "T1.nrrd")
    images = [other, str(a_series)] if place else [str(a_series), other]
    label = label_on(grid, tmp_path / "label.nrrd") if reference == "label" else None
    case = Case("a", Role.TRAINING if label else Role.INPUT, images[0], label, more_images=(images[1],))
    divided = divided_series(Datalist((case,), channels=("T1", "CT")), quiet)
    (made,) = divided.datalist.cases
    assert made.id == "a" and made.images[1 - place] == other and len(divided.sentences) == 1
    if part:
        what = f"the {reference} '{label or other}'"
        assert f"{what} lies on the grid of {part}, which is taken" in divided.sentences[0]
        scan = read_scan(made)
        assert scan.voxels.shape == (2, *grid.size_ijk[::-1]) and grid.difference(scan.grid) == ""
        assert (scan.voxels[place] == read_image(a_series, number).voxels).all()
        assert divided_series(divided.datalist, quiet).sentences == ()
    else:
        assert "of them." in divided.sentences[0] and made == case
        with pytest.raises(DataError, match="give a file of the one that is meant"):
            read_scan(made)


def test_channels_that_are_all_series_of_several_images_stay_as_they_are(tmp_path):
    for name in ("a", "b"):
        orientations(tmp_path / name)
    case = Case("x", Role.INPUT, str(tmp_path / "a"), more_images=(str(tmp_path / "b"),))
    assert divided_series(Datalist((case,), channels=("T1", "T2")), quiet).datalist.cases == (case,)


def test_a_label_on_none_of_the_grids_is_told(tmp_path):
    orientations(tmp_path / "CT")
    grid = Grid((4, 4, 4), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0))
    label = label_on(grid, tmp_path / "label.nrrd")
    divided = divided_series(Datalist((Case("CT", Role.TRAINING, str(tmp_path / "CT"), label),)), quiet)
    assert "lies on the grid of none of them" in divided.sentences[0] and divided.datalist.cases[0].part == ""


def test_a_label_in_another_order_of_axes_belongs_to_its_image(tmp_path):
    orientations(tmp_path / "CT")
    grid = read_grid(tmp_path / "CT", 0)
    last = grid.position_mm((0, 0, grid.size_ijk[2] - 1))
    turned = np.reshape(grid.direction, (3, 3)) * [1, 1, -1]
    label = label_on(Grid(grid.size_ijk, grid.spacing_mm, last, tuple(turned.ravel())), tmp_path / "label.nrrd")
    divided = divided_series(Datalist((Case("CT", Role.TRAINING, str(tmp_path / "CT"), label),)), quiet)
    assert divided.datalist.cases[0].part == "axial 6 x 5"


def test_a_part_that_is_gone_is_refused_with_what_is_there(tmp_path):
    frames(tmp_path / "CT")
    gone = Case("a", Role.INPUT, str(tmp_path / "CT/x.dcm"), part="temporal position 9")
    with pytest.raises(DataError, match=r"no longer has the image 'temporal position 9', but temporal position 1"):
        read_scan(gone)


def test_what_is_divided_is_kept_in_the_job_and_told(tmp_path, a_reporter):
    echoes(tmp_path / "CT")
    cases = (Case("a", Role.UNLABELED, "images/a.nrrd"), Case("CT", Role.UNLABELED, str(tmp_path / "CT")))
    job = Job.create(tmp_path / "job", JobKind.TRAIN, TrainConfig(), Datalist(cases))
    divided = divide_series(job, job.read_datalist(), a_reporter)
    assert [case.id for case in divided.cases] == ["a", "CT_echo_time_4.6", "CT_echo_time_9.2"]
    assert job.read_datalist() == divided and job.read_relative_datalist().cases[0] == cases[0]
    assert [event.code for event in a_reporter.events if isinstance(event, Warned)] == ["series"]
    # There is nothing left to divide.
    assert divide_series(job, divided, a_reporter) == divided and len(a_reporter.events) == 1


def test_somebody_may_stop_it(tmp_path):
    echoes(tmp_path / "CT")
    with pytest.raises(JobCancelled):
        divided_series(Datalist((Case("CT", Role.INPUT, str(tmp_path / "CT")),)), Reporter(print, lambda: True))
