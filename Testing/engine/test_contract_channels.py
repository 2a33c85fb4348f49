from __future__ import annotations

from pathlib import Path

import pytest

from coranet.contract.channels import (
    by_channel,
    channel_names,
    grouped,
    listed,
    names_of,
    require_all_channels,
    require_no_swapped_channels,
    require_same_channels,
)
from coranet.contract.errors import DataError

T1_FLAIR = ("T1", "FLAIR")


def files(*names: str) -> list[tuple[str, Path]]:
    return [(name, Path(f"{name}.nii.gz")) for name in names]


@pytest.mark.parametrize(
    ("content", "names"),
    [
        (None, ()),
        (["T1", " FLAIR "], T1_FLAIR),
        ({"0": "T1", "1": "FLAIR"}, T1_FLAIR),
        ({"1": "FLAIR", "0": "T1"}, T1_FLAIR),
        ({0: "T1"}, ("T1",)),
        ({str(number): f"c{number}" for number in range(11)}, tuple(f"c{number}" for number in range(11))),
    ],
)
def test_names_come_as_a_list_or_by_number(content, names):
    assert channel_names(content, "'channels'") == names


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({"1": "T1", "2": "FLAIR"}, "'channels' must number its channels from 0, got 1, 2"),
        ({"T1": "0"}, "must number its channels from 0, got T1"),
        ("T1", "must be a list of names"),
        (["T1", ""], "must be a list of names"),
        ([1, 2], "must be a list of names"),
        ({"0": 5}, "must be a list of names"),
    ],
)
def test_names_that_are_none_get_a_sentence(content, sentence):
    with pytest.raises(DataError, match=sentence):
        channel_names(content, "'channels'")


def test_channels_without_names_are_numbered():
    assert names_of(T1_FLAIR, 2) == T1_FLAIR
    assert names_of((), 2) == ("channel 1", "channel 2")
    assert [listed(names) for names in ((), ("a",), ("a", "b"), ("a", "b", "c"))] == [
        "none",
        "a",
        "a and b",
        "a, b and c",
    ]


@pytest.mark.parametrize(
    ("images", "sentence"),
    [
        (["a"], "case 'p03' has no FLAIR and T2, it has 1 of the 3 images T1, FLAIR and T2"),
        (["a", "b"], "case 'p03' has no T2, it has 2 of the 3"),
        (["a", "b", "c", "d"], r"case 'p03' has 4 images, expected 3 \(T1, FLAIR and T2\); remove 'd'"),
    ],
)
def test_a_channel_that_is_missing_or_too_much_is_named(images, sentence):
    with pytest.raises(DataError, match=sentence):
        require_all_channels("p03", images, ("T1", "FLAIR", "T2"))
    require_all_channels("p03", ["a", "b", "c"], ("T1", "FLAIR", "T2"))


@pytest.mark.parametrize(
    ("images", "names"),
    [
        (["p_T1.nii.gz", "p_FLAIR.nii.gz"], T1_FLAIR),
        (["T1w.nii.gz", "flair.nii.gz"], T1_FLAIR),
        (["p_0000.nii.gz", "p_0001.nii.gz"], ("0", "1")),
        (["p_0001.nii.gz", "p_0000.nii.gz"], ("channel 1", "channel 2")),
        (["pet-ct_CT.nrrd", "pet-ct_PET.nrrd"], ("CT", "PET")),
        (["t1 post.mha", "t1.mha"], ("T1 post", "T1")),
        (["flair/a.nii", "t1/a.nii"], T1_FLAIR),
        (["flair.nii.gz", "flair.nii.gz"], T1_FLAIR),
    ],
)
def test_names_of_files_that_fit_or_say_nothing_are_taken(images, names):
    require_no_swapped_channels("p", images, names)


@pytest.mark.parametrize(
    ("images", "sentence"),
    [
        (
            ["x/p_flair.nii.gz", "p_t1.nii.gz"],
            "case 'p' has 'p_flair.nii.gz' as its T1, but the name .* says FLAIR",
        ),
        (["p_T1.nii.gz", "p-2-T1.nii.gz"], "'p-2-T1.nii.gz' as its FLAIR, but .* says T1; put .* order T1 and FLAIR"),
    ],
)
def test_swapped_channels_are_refused_by_name(images, sentence):
    with pytest.raises(DataError, match=sentence):
        require_no_swapped_channels("p", images, T1_FLAIR)


def test_files_are_grouped_by_their_numbers_in_the_order_of_the_channels():
    found = files("b_0001", "a_0000", "b_0000", "a_0001")
    assert by_channel(found) == [
        ("b", (Path("b_0000.nii.gz"), Path("b_0001.nii.gz"))), ("a", (Path("a_0000.nii.gz"), Path("a_0001.nii.gz"))),
    ]  # fmt: skip
    assert by_channel(found, T1_FLAIR) == by_channel(found)
    assert by_channel(files("a_0000")) == [("a", (Path("a_0000.nii.gz"),))]


def test_cases_of_one_name_in_two_folders_stay_apart():
    found = [("a_0000", Path(folder) / "a_0000.nrrd") for folder in "xy"]
    found += [("a_0001", Path(folder) / "a_0001.nrrd") for folder in "xy"]
    assert [[path.parent.name for path in paths] for _, paths in by_channel(found)] == [["x", "x"], ["y", "y"]]


@pytest.mark.parametrize("names", [["a", "b_0000"], ["case_001"], ["a_0001", "a_0002"], []])
def test_what_is_not_numbered_by_channel_is_not_grouped(names):
    assert by_channel(files(*names)) is None


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (["p03_0000"], r"case 'p03' has no FLAIR \('p03_0001.nii.gz'\); add the file"),
        (["p03_0001", "p04_0000", "p04_0001"], r"case 'p03' has no T1 \('p03_0000.nii.gz'\)"),
        (["p03_0000", "p03_0001", "p03_0002"], r"'p03_0002.nii.gz', expected 2 channels \(T1 and FLAIR\)"),
    ],
)
def test_a_file_that_is_missing_or_too_much_is_named(names, sentence):
    with pytest.raises(DataError, match=sentence):
        by_channel(files(*names), T1_FLAIR)


def test_for_a_model_of_one_channel_each_image_is_a_case():
    found = files("a_0000", "a_0001", "b")
    assert grouped(found, ("CT",)) == [(name, (path,)) for name, path in found]


def test_an_image_alone_is_not_enough_for_a_model_of_several(tmp_path):
    (tmp_path / "p.nii.gz").write_bytes(b"")
    with pytest.raises(DataError, match="one image, the model needs T1 and FLAIR of each case; .* p01_0000, p01_0001"):
        grouped([("p", tmp_path / "p.nii.gz")], T1_FLAIR)


@pytest.mark.parametrize(
    ("other", "own"),
    [
        (T1_FLAIR, T1_FLAIR),
        (("t1", "Flair"), T1_FLAIR),
        ((" T1", "FLAIR\u00a0"), T1_FLAIR),
        (("\ufeffT1", "FLAIR\u200b"), T1_FLAIR),
        ((), T1_FLAIR),
        (T1_FLAIR, ("channel 1", "channel 2")),
        ((), ("channel 1",)),
    ],
)
def test_channels_of_cases_and_model_that_are_the_same(other, own):
    require_same_channels(other, own, "'a.json'")


@pytest.mark.parametrize(
    ("other", "own"),
    [(("FLAIR", "T1"), T1_FLAIR), (("T1",), T1_FLAIR), (("T1", "T2"), T1_FLAIR), (T1_FLAIR, ("channel 1",))],
)
def test_other_channels_than_the_models_are_refused(other, own):
    with pytest.raises(DataError, match=rf"'a.json' has {len(other)} channels .*, the model {len(own)}"):
        require_same_channels(other, own, "'a.json'")
