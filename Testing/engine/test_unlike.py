"""Cases that are unlike the others, in sets that are made, and in real ones that must raise no alarm."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from scans import grid_of

from coranet.contract import Label, read_datalist
from coranet.reporting import Reporter
from coranet.training_set.survey import survey_cases
from coranet.training_set.traits import Traits
from coranet.training_set.unlike import unlike_others
from coranet.volume import Volume

LABELS = (Label(1, "liver"), Label(2, "spleen"))
SHAPE = (24, 36, 40)
AXIAL = np.eye(3)


def a_case(name: str, voxels, image, spacing=(1.0, 1.2, 2.0), direction=AXIAL):
    grid = grid_of(voxels.shape[::-1], spacing, direction)
    traits = Traits.of(Volume(image.astype(np.float32), grid), Volume(voxels, grid), [1, 2])
    case = SimpleNamespace(id=name, image=name, described_image=name, is_partial=False)
    return SimpleNamespace(case=case, scan=1, traits=traits)


def anatomy(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A large bright structure on one side and a smaller, less bright one on the other; labels and image."""
    stream = np.random.default_rng(seed)
    position = np.indices(SHAPE) + stream.uniform(-1, 1, (3, 1, 1, 1))
    labels = np.zeros(SHAPE, np.int32)
    for value, centre, radius in ((1, (12, 18, 11), 8), (2, (13, 22, 31), 5)):
        radius = radius * stream.uniform(0.9, 1.1)
        distance = sum((position[axis] - centre[axis]) ** 2 for axis in range(3))
        labels[distance < radius**2] = value
    image = 100 + stream.normal(0, 8, SHAPE) + 100 * (labels == 1) + 50 * (labels == 2)
    return labels, image


def usual(count: int) -> list:
    return [a_case(f"c{number}", *anatomy(number)) for number in range(count)]


def mirrored(labels, image):
    return labels[:, :, ::-1], image


def both_mirrored(labels, image):
    return labels[:, :, ::-1], image[:, :, ::-1]


def exchanged(labels, image):
    return np.array([0, 2, 1])[labels].astype(np.int32), image


def shifted(labels, image):
    return np.roll(labels, (3, 8, 8), (0, 1, 2)), image


def upside_down(labels, image):
    return np.roll(labels, 9, 0), image


def in_the_air(labels, image):
    return labels, np.where(labels > 0, -900 + image / 10, image)


def nearly_nothing(labels, image):
    few = np.where(np.arange(labels.size).reshape(labels.shape) % 37 == 0, labels, 0)
    return few.astype(np.int32), image


def a_map_of_probabilities(labels, image):
    return labels, image / 1e5


def with_air_of_ct(labels, image):
    image = image.copy()
    image[:2] = -1024
    return labels, image


ODD = [
    (mirrored, {}, "'liver'"),
    (both_mirrored, {}, "lies elsewhere in the scan (left-right)"),
    (exchanged, {}, "'liver' lies and looks like 'spleen' of the others"),
    (shifted, {}, "the intensities differ from the others"),
    (in_the_air, {}, "'liver'"),
    (nearly_nothing, {}, "mL, in the others"),
    (a_map_of_probabilities, {}, "it has intensities from"),
    (with_air_of_ct, {}, "on it is CT, most others are not CT"),
    (None, {"spacing": (0.1, 0.12, 0.2)}, "its voxels are 0.1 x 0.12 x 0.2 mm, the others' about 1 x 1.2 x 2 mm"),
    (None, {"spacing": (1000.0, 1200.0, 2000.0)}, "check its header"),
    (None, {"spacing": (1.0, 1.0, 1.0), "scale": 2.0}, "its voxels are 1 x 1 x 1 mm"),
]


@pytest.mark.parametrize("count", [4, 9])
@pytest.mark.parametrize(("change", "how", "message"), ODD, ids=lambda value: getattr(value, "__name__", None))
def test_what_is_odd_is_named_with_its_reason(count, change, how, message):
    others = usual(count)
    scale = how.get("scale", 1.0)
    if scale != 1:
        others = [a_case(f"c{n}", *anatomy(n), spacing=(scale, scale, scale)) for n in range(count)]
    parts = anatomy(77) if change is None else change(*anatomy(77))
    spacing = {"spacing": how["spacing"]} if "spacing" in how else {}
    warnings = unlike_others([*others, a_case("odd", *parts, **spacing)], LABELS)
    assert [event.message.split("'")[1] for event in warnings] == ["odd"]
    assert message in warnings[0].message and warnings[0].code == "unlike_others"


@pytest.mark.parametrize("change", [mirrored, shifted, upside_down], ids=lambda change: change.__name__)
def test_of_three_cases_the_one_with_a_wrong_label_is_named(change):
    warnings = unlike_others([*usual(2), a_case("odd", *change(*anatomy(77)))], LABELS)
    assert [event.message.split("'")[1] for event in warnings] == ["odd"]


@pytest.mark.parametrize("count", [4, 6, 10])
def test_two_cases_with_wrong_labels_do_not_hide_each_other(count):
    odd = [a_case(f"odd{number}", *shifted(*anatomy(70 + number))) for number in range(2)]
    warnings = unlike_others([*usual(count), *odd], LABELS)
    assert [event.message.split("'")[1] for event in warnings] == ["odd0", "odd1"]


@pytest.mark.parametrize(
    ("contrasts", "named"),
    [
        ([0.5, 0.45, 0.6, 0.55, 0.04], ["c4"]),
        ([0.5, 0.45, 0.6, 0.55, 0.07], []),  # faint, and not reversed
        ([0.5, 0.35, 0.6, 0.55, 0.04], []),
        ([0.6, 0.46, 0.6, 0.57, 0.56, 0.0, 0.0], ["c5", "c6"]),
        ([0.5, 0.41, -0.1], ["c2"]),
        ([0.5, 0.41, 0.02], []),  # of three, it must be the other way round
        ([0.5, 0.35, -0.1], []),
        ([-0.5, -0.45, -0.6, -0.55, 0.2], ["c4"]),
    ],
    ids=str,
)
def test_a_structure_that_does_not_stand_out_where_it_does_in_the_others(contrasts, named):
    cases = usual(len(contrasts))
    for case, contrast in zip(cases, contrasts, strict=True):
        liver = replace(case.traits.structures[1], contrast=contrast)
        case.traits = replace(case.traits, structures={**case.traits.structures, 1: liver})
    assert [event.message.split("'")[1] for event in unlike_others(cases, LABELS)] == named


@pytest.mark.parametrize("count", [1, 2, 3, 4, 6, 12])
def test_a_usual_set_raises_no_alarm(count):
    assert unlike_others(usual(count), LABELS) == []


@pytest.mark.parametrize("count", [3, 6])
def test_empty_unlabeled_and_partial_cases_are_not_compared_by_their_labels(count):
    labels, image = anatomy(50)
    empty = a_case("empty", 0 * labels, image)
    partial = a_case("partial", np.where(labels == 1, labels, 0)[::-1], image)
    partial.case.is_partial = True
    unlabeled = a_case("unlabeled", labels[::-1], image)
    unlabeled.scan, unlabeled.traits = None, replace(unlabeled.traits, structures={})
    assert unlike_others([*usual(count), empty, partial, unlabeled], LABELS) == []


def test_scans_turned_another_way_are_no_other_scans():
    labels, image = anatomy(60)
    turned = np.array([[0.0, 0, -1], [0, -1, 0], [1, 0, 0]])
    # Stored with i along S, j along A and k along R: the same place in the patient.
    swapped = [np.ascontiguousarray(part.transpose(2, 1, 0)[::-1, ::-1]) for part in (labels, image)]
    odd = a_case("turned", *swapped, spacing=(2.0, 1.2, 1.0), direction=turned)
    assert odd.traits.axes == "SAR"
    assert unlike_others([*usual(5), odd], LABELS) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["hippocampus", "la-small", "acdc-small", "sunnybrook"])
def test_real_sets_raise_no_alarm(shared_data, name):
    datalist = read_datalist(shared_data / name / "dataset.json")
    labeled = tuple(case for case in datalist.cases if case.role.value == "training")
    survey = survey_cases(replace(datalist, cases=labeled), Reporter(lambda event: None, lambda: False))
    assert not survey.unusable and unlike_others(survey.of(labeled), datalist.labels) == []
