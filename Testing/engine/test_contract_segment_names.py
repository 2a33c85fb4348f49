"""Names of structures: one rule for what is the same name, and what the values of a label map mean by them."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from coranet.contract import Case, Datalist, Label, Role
from coranet.contract.errors import DataError
from coranet.contract.segment_names import (
    distinct_names,
    has_name,
    match_name,
    matched_labels,
    meaning_of,
    name_key,
    segments_of,
)

ORGAN_LESION = (Label(1, "organ"), Label(2, "lesion"))

SAME = [
    ("organ", "organ"), ("organ", "Organ"), ("ORGAN", "organ"), ("organ", " organ "), ("left kidney", "left  kidney"),
    ("left kidney", "left\tkidney"), ("left kidney", "left\u00a0kidney"), ("Nieren", "nieren"),
    ("\u00e9piphyse", "e\u0301piphyse"), ("M\u00dcLLER", "mu\u0308ller"), ("Stra\u00dfe", "STRASSE"),
    ("\u03a3", "\u03c2"), ("organ", "\ufefforgan"), ("organ", "or\u00adgan"), ("organ", "organ\u200b"),
    ("left kidney", "left\u2003kidney"), ("organ", "\u200eorgan\u200f"), ("left kidney", "left\u200b \u2060kidney"),
]  # fmt: skip
OTHERS = [
    ("organ", "organs"), ("organ", "lesion"), ("left kidney", "leftkidney"), ("left kidney", "left_kidney"),
    ("V1", "V2"), ("V2", "V\u00b2"), ("organ", ""), ("e", "\u00e9"), ("organ", "organ 1"),
]  # fmt: skip


@pytest.mark.parametrize(("first", "second"), SAME)
def test_capitals_white_space_and_the_form_of_accents_do_not_count(first, second):
    assert name_key(first) == name_key(second)
    assert match_name(first, ["other", second]) == second and match_name(second, [first]) == first
    assert has_name(first, [second]) and distinct_names([[first], [second]]) == [first]


@pytest.mark.parametrize(("first", "second"), OTHERS)
def test_everything_else_counts(first, second):
    assert name_key(first) != name_key(second)
    assert match_name(first, [second]) is None and not has_name(first, [second])
    assert distinct_names([[first], [second]]) == [first, second]


def test_a_name_that_is_written_alike_comes_first():
    assert match_name("Lesion", ["lesion", "Lesion"]) == "Lesion"
    assert distinct_names([["lesion", "Lesion"], ["LESION"]]) == ["lesion", "Lesion"]


def test_a_name_that_can_be_two_is_refused():
    with pytest.raises(DataError, match="'LESION' can be 'lesion' or 'Lesion'"):
        match_name("LESION", ["lesion", "Lesion"])


MATCHED = {
    "as they are": ([(1, "a"), (2, "b")], [(1, "a"), (2, "b")], {1: 1, 2: 2}),
    "other values": ([(1, "a"), (2, "b")], [(7, "A"), (3, " b")], {1: 7, 2: 3}),
    "exchanged": ([(1, "a"), (2, "b")], [(1, "b"), (2, "a")], {1: 2, 2: 1}),
    "one too few": ([(1, "a")], [(1, "a"), (2, "b")], None),
    "one too many": ([(1, "a"), (2, "b")], [(1, "a")], None),
    "another": ([(1, "a"), (2, "b")], [(1, "a"), (2, "c")], None),
    "two are one": ([(1, "a"), (2, "A")], [(1, "a"), (2, "b")], None),
    "none": ([], [(1, "a")], None),
}


@pytest.mark.parametrize(("own", "other", "expected"), MATCHED.values(), ids=MATCHED)
def test_labels_are_matched_by_name(own, other, expected):
    assert matched_labels([Label(*pair) for pair in own], [Label(*pair) for pair in other]) == expected


def seg_nrrd(path, segments, more=()):
    """A label map as Slicer writes it: (value, name) or (value, name, layer) of each segment."""
    image = sitk.GetImageFromArray(np.zeros((2, 2, 2), np.uint8))
    for index, (value, name, *layer) in enumerate(segments):
        for key, text in (("ID", f"Segment_{index}"), ("Name", name), ("LabelValue", str(value)),
                          ("Layer", str(layer[0] if layer else 0))):  # fmt: skip
            image.SetMetaData(f"Segment{index}_{key}", text)
    for key, text in more:
        image.SetMetaData(key, text)
    sitk.WriteImage(image, str(path), useCompression=True)
    return str(path)


def labeled(path, labels=ORGAN_LESION, described=()):
    case = Case("a", Role.TRAINING, "a.nrrd", path, label_names=described)
    return Datalist((case,), labels).cases[0]


# Segments in the file, and what its values mean; None: as they are.
READ = {
    "as the datalist": ([(1, "organ"), (2, "lesion")], None),
    "exchanged": ([(1, "lesion"), (2, "organ")], {1: 2, 2: 1}),
    "a segment made anew has another value": ([(1, "organ"), (3, "lesion")], {1: 1, 3: 2}),
    "large values": ([(300, "organ"), (65535, "lesion")], {300: 1, 65535: 2}),
    "other writing": ([(2, " Organ"), (1, "LESION")], {2: 1, 1: 2}),
    "one of the two": ([(2, "organ")], {2: 1}),
    "only one, as it is": ([(2, "lesion")], None),
    "nobody has named them": ([(1, "Segment_1"), (2, "Segment_2")], None),
    "names that are numbers": ([(1, "1"), (2, "2")], None),
    "one has no name": ([(2, "Segment_1"), (1, "organ")], None),
    "a structure more": ([(1, "organ"), (2, "lesion"), (3, "spleen")], None),
    "a structure more, exchanged": ([(1, "lesion"), (2, "organ"), (3, "spleen")], {1: 2, 2: 1}),
    "layers": ([(1, "lesion", 0), (2, "organ", 1)], {1: 2, 2: 1}),
    "no segments": ([], None),
}
REFUSED = {
    "another name for a value": ([(1, "Liver"), (2, "lesion")], "its value 1 'Liver', the datalist calls it 'organ'"),
    "another name for both": ([(1, "aorta"), (2, "vein")], "'aorta', the datalist calls it 'organ'"),
    "the only one": ([(2, "spleen")], "calls its value 2 'spleen', the datalist calls it 'lesion'"),
    "a name twice": ([(1, "organ"), (2, "organ")], "more than one segment named 'organ'"),
    "a value twice": ([(1, "organ"), (1, "lesion")], "gives the value 1 to 'organ' and to 'lesion'"),
    "the same name in other writing": ([(1, "organ"), (2, "Organ")], "'organ' and 'Organ', which both are"),
    "one that is named and one that is not": ([(1, "lesion"), (2, "Segment_2")], "'lesion' and '2', which both are"),
    "a value too large": ([(70000, "organ")], "the value 70000, expected at most 65535"),
}  # fmt: skip


@pytest.mark.parametrize(("segments", "expected"), READ.values(), ids=READ)
@pytest.mark.parametrize("name", ["a.seg.nrrd", "a.nrrd"])
def test_names_in_a_file_say_what_its_values_mean(tmp_path, segments, expected, name):
    assert meaning_of(labeled(seg_nrrd(tmp_path / name, segments))) == expected


@pytest.mark.parametrize(("segments", "sentence"), REFUSED.values(), ids=REFUSED)
def test_names_that_contradict_values_are_refused_with_both(tmp_path, segments, sentence):
    with pytest.raises(DataError) as raised:
        meaning_of(labeled(seg_nrrd(tmp_path / "a.seg.nrrd", segments)))
    assert sentence in str(raised.value) and "a.seg.nrrd'" in str(raised.value)


# What the list of a test set says, the segments in the file, and what its values mean to the model.
DESCRIBED = {
    "other order": ([(1, "lesion"), (2, "organ")], [], {1: 2, 2: 1}),
    "other values": ([(5, "Organ"), (9, "lesion")], [], {5: 1, 9: 2}),
    "more than the model knows": ([(1, "spleen"), (2, "organ"), (3, "lesion")], [], {1: 0, 2: 1, 3: 2}),
    "the file says otherwise": ([(1, "lesion"), (2, "organ")], [(1, "organ"), (2, "lesion")], {1: 1, 2: 2}),
    "the file names nothing": ([(1, "lesion"), (2, "organ")], [(1, "Segment_1"), (2, "Segment_2")], {1: 2, 2: 1}),
    "the file has two of three": (
        [(1, "spleen"), (2, "organ"), (3, "lesion")], [(7, "spleen"), (1, "lesion")], {7: 0, 1: 2},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("described", "segments", "expected"), DESCRIBED.values(), ids=DESCRIBED)
def test_a_list_of_another_order_is_read_by_its_names(tmp_path, described, segments, expected):
    path = seg_nrrd(tmp_path / "a.seg.nrrd", segments)
    assert meaning_of(labeled(path, described=tuple(described))) == expected


@pytest.mark.parametrize("segments", [[(1, "aorta"), (2, "organ")], [(2, "Organ 2")], [(1, "leison"), (2, "organ")]])
def test_a_list_of_another_order_that_the_file_contradicts_is_refused_with_both(tmp_path, segments):
    path = seg_nrrd(tmp_path / "a.seg.nrrd", segments)
    with pytest.raises(DataError, match=r"calls its value \d '.*', the datalist calls it '(organ|lesion)'"):
        meaning_of(labeled(path, described=((1, "lesion"), (2, "organ"))))


@pytest.mark.parametrize("name", ["a.nii.gz", "a.mha", "absent.nrrd", "folder"])
def test_files_that_cannot_name_anything_do_not(tmp_path, name):
    (tmp_path / "folder").mkdir()
    (tmp_path / "a.mha").write_text("Segment0_Name:=Liver\nSegment0_LabelValue:=1\n", encoding="utf-8")
    assert segments_of(tmp_path / name) == () and meaning_of(labeled(str(tmp_path / name))) is None


def test_a_name_that_slicer_made_up_is_none(tmp_path):
    path = seg_nrrd(tmp_path / "a.seg.nrrd", [(1, "Liver segment")], [("Segment0_NameAutoGenerated", "1")])
    assert segments_of(path)[0].name == ""


def test_umlauts_and_windows_line_ends_are_read(tmp_path):
    header = "NRRD0004\r\ntype: uchar\r\nSegment0_Name:=Übergang\r\nSegment0_LabelValue:=3\r\n\r\nSegment1_Name:=no"
    (tmp_path / "a.nrrd").write_bytes(header.encode("utf-8"))
    assert [(segment.value, segment.name) for segment in segments_of(tmp_path / "a.nrrd")] == [(3, "Übergang")]


def test_a_case_keeps_what_its_label_map_means_and_knows_its_classes(tmp_path):
    case = Case("a", Role.TRAINING, "a.nrrd", "l.nrrd", label_names=[[2, "organ"], [1, "lesion"]])
    datalist = Datalist((case,), ORGAN_LESION)
    again = Datalist.from_dict(datalist.to_dict())
    assert again == datalist and again.cases[0].label_names == ((2, "organ"), (1, "lesion"))
    assert again.cases[0].classes == ORGAN_LESION
    assert "classes" not in datalist.to_dict()["cases"][0]
    plain = Datalist((Case("a", Role.TRAINING, "a.nrrd", "l.nrrd"),), ORGAN_LESION).to_dict()["cases"][0]
    assert sorted(plain) == ["id", "image", "known", "label", "role"]
