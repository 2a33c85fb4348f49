"""Labels as dataset.json files of several programs list them."""

from __future__ import annotations

import pytest

from coranet.contract import Label
from coranet.contract.errors import DataError
from coranet.contract.label_names import labels_of, notes_on

BOTH = (Label(1, "organ"), Label(2, "lesion"))

READ = {
    "decathlon": {"0": "background", "1": "organ", "2": "lesion"},
    "nnunet": {"background": 0, "organ": 1, "lesion": 2},
    "no-background": {"1": "organ", "2": "lesion"},
    "nnunet-no-background": {"organ": 1, "lesion": 2},
    "floats": {"background": 0.0, "organ": 1.0, "lesion": 2.0},
    "blanks": {" 1 ": " organ ", "2": "lesion"},
    "unnamed-background": {"0": "", "1": "organ", "2": "lesion"},
    "capitals": {"Background": 0, "organ": 1, "lesion": 2},
    "clear-label": {"0": "Clear Label", "1": "organ", "2": "lesion"},
}


@pytest.mark.parametrize("content", READ.values(), ids=READ)
def test_both_directions_mean_the_same(content):
    assert labels_of(content, "a.json") == BOTH
    assert notes_on(content, "a.json") == []


def test_values_need_not_be_consecutive():
    assert labels_of({"liver": 65535, "spleen": 40}, "a.json") == (Label(65535, "liver"), Label(40, "spleen"))


def test_a_name_is_one_line():
    assert [label.name for label in labels_of({"1": " left\n\tatrium "}, "d.json")] == ["left atrium"]


def test_a_structure_with_the_value_of_the_background_is_told():
    for content in ({"0": "liver", "1": "organ"}, {"liver": 0, "organ": 1}):
        assert labels_of(content, "a.json") == BOTH[:1]
        (note,) = notes_on(content, "a.json")
        assert "'liver' has the value 0" in note and "is not learned; give it another value" in note


REFUSED = {
    "none": (None, "needs 'labels', for example"),
    "nothing": ({}, "needs 'labels'"),
    "list": (["background", "organ"], r"needs 'labels'.* got \[background, organ\]"),
    "background-alone": ({"background": 0}, "needs 'labels'"),
    "text": ("organ", "needs 'labels'"),
    "region": ({"background": 0, "whole": [1, 2]}, "'whole' .* has the values .1, 2. .a region of nnU-Net"),
    "ignore": ({"background": 0, "organ": 1, "ignore": 2}, "nnU-Net's label 'ignore', .* a mask 'known'"),
    "background-moved": ({"background": 1, "organ": 0}, "gives the background the value 1, but 0 is the background"),
    "mixed": ({"1": "organ", "lesion": 2}, "numbers as names and as values"),
    "numbers-both-ways": ({"1": 2, "2": 1}, "numbers as names and as values"),
    "negative": ({"-1": "organ"}, "label value '-1' for 'organ', expected a whole number of at least 1"),
    "negative-nnunet": ({"organ": -1}, "label value '-1' for 'organ'"),
    "fraction": ({"organ": 1.5}, "label value '1.5' for 'organ'"),
    "fraction-text": ({"1.5": "organ"}, "label value '1.5'"),
    "true": ({"organ": True}, "'labels'|label value"),
    "null": ({"1": None}, "no name for the label value 1"),
    "object": ({"1": {"name": "organ"}}, "no name for the label value 1"),
    "empty-name": ({"1": " "}, "no name for the label value 1"),
    "too-large": ({"organ": 70000}, "from 1 to 65535, got 70000"),
    "huge": ({"organ": 1e300}, "from 1 to 65535"),
    "words": ({"organ": "liver"}, "label value 'organ'"),
}


@pytest.mark.parametrize(("content", "sentence"), REFUSED.values(), ids=REFUSED)
def test_what_has_no_meaning_is_refused(content, sentence):
    with pytest.raises(DataError, match=sentence) as caught:
        labels_of(content, "a.json")
    assert "a.json" in str(caught.value)
