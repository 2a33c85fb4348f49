"""Labels find their images by name, and nothing is guessed."""

from __future__ import annotations

import pytest

from coranet.contract.name_pairs import is_label_name, pair_names

# Images, labels, and the pairs that are found.
PAIRS = {
    "numbers": (["image001", "image002"], ["label002", "label001"], {"label001": "image001", "label002": "image002"}),
    "leading-zeros-count": (["image1", "image01"], ["label01"], {"label01": "image01"}),
    "one-word-more": (["case_01", "case_02"], ["case_01_seg"], {"case_01_seg": "case_01"}),
    "a-word-before": (["case_01", "case_02"], ["mask-case-02"], {"mask-case-02": "case_02"}),
    "of": (["P1", "P2"], ["Segmentation of P2"], {"Segmentation of P2": "P2"}),
    "name-of-slicer": (["P1 T1", "P2 T1"], ["P1 T1 segmentation"], {"P1 T1 segmentation": "P1 T1"}),
    "what-was-drawn": (["P1 T1", "P1 T10"], ["P1 T10 tumor"], {"P1 T10 tumor": "P1 T10"}),
    "longest": (
        ["P 1", "P 1 left"], ["P 1 left truth", "P 1 truth"], {"P 1 left truth": "P 1 left", "P 1 truth": "P 1"},
    ),
    "not-part-of-a-number": (["Patient 1"], ["Patient 10 truth"], {}),
    "not-part-of-a-word": (["case1"], ["case1b tumor"], {}),
    "nnunet": (["p1_0000", "p2_0000"], ["p1", "p2"], {"p1": "p1_0000", "p2": "p2_0000"}),
    "nnunet-channels": (["p1_0000", "p1_0001"], ["p1"], {"p1": "p1_0000"}),
    "numbered-from-zero": (["img_0000", "img_0001"], ["seg_0000"], {"seg_0000": "img_0000"}),
    "label-is-the-patient": (["P1 T1", "P2 T1"], ["P1 seg"], {"P1 seg": "P1 T1"}),
    "two-images-of-the-patient": (["P1 T1", "P1 FLAIR"], ["P1 seg"], {}),
    "between": (
        ["AB_01_t1n", "AB_02_t1n"], ["AB_02_tum", "AB_01_tum"], {"AB_01_tum": "AB_01_t1n", "AB_02_tum": "AB_02_t1n"},
    ),
    "case-and-accents": (["Müller CT"], ["MU\u0308LLER ct Leber"], {"MU\u0308LLER ct Leber": "Müller CT"}),
    "counted-by-slicer": (["MR_1", "MR_2"], ["Segmentation", "Segmentation_1"], {}),
    "says-nothing": (["scan"], ["Segmentation"], {}),
    "same-names": (["CT", "CT"], ["CT truth"], {}),
    "one-label-each": (["CT"], ["CT liver", "CT spleen"], {"CT liver": "CT"}),
    "nothing": ([], [], {}),
}  # fmt: skip


@pytest.mark.parametrize(("images", "labels", "expected"), PAIRS.values(), ids=PAIRS)
def test_names_tell_which_label_belongs_to_which_image(images, labels, expected):
    pairs = pair_names(images, labels)
    assert {labels[label]: images[image] for label, image in pairs.items()} == expected
    assert len(set(pairs.values())) == len(pairs)


@pytest.mark.parametrize(("images", "labels", "expected"), PAIRS.values(), ids=PAIRS)
def test_the_order_of_images_does_not_count(images, labels, expected):
    turned = list(reversed(images))
    assert {labels[label]: turned[image] for label, image in pair_names(turned, labels).items()} == expected


@pytest.mark.parametrize(
    ("name", "is_label"),
    [("label001", True), ("case_01_seg", True), ("P1 Segmentation", True), ("image001", False), ("Seghers", False)],
)
def test_a_name_says_whether_it_is_a_label(name, is_label):
    assert is_label_name(name) is is_label
