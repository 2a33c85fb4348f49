"""Names of cases are file names everywhere."""

from __future__ import annotations

import pytest

from coranet.contract.case_names import case_name, unique_case_names


@pytest.mark.parametrize(
    ("node_name", "expected"),
    [
        ("Patient 1", "Patient_1"),
        ("Müller 01", "Muller_01"),
        ("../../etc/passwd", "etc_passwd"),
        ("2: CT Abdomen (5 mm) / B30f", "2_CT_Abdomen_5_mm_B30f"),
        ("例 01", "例_01"),
        ("Иванов Й.", "Иванов_Й"),
        ("นำ", "นํา"),
        ("パ", "パ"),
        ("한국", "한국"),
        ("Straße\u202e", "Straße"),
        ("M\udcfcller", "Mller"),
        ("😀 ✓", "case_"),
        ("例" * 99, "例" * 50),
        ("", "case_"),
        ("NUL", "case_NUL"),
        ("con.1", "case_con.1"),
        ("x" * 200, "x" * 60),
    ],
)
def test_a_node_name_becomes_a_safe_file_name(node_name, expected):
    assert case_name(node_name) == expected


def test_equal_names_are_numbered_even_where_only_case_differs():
    assert unique_case_names(["CT", "ct", "CT", "例", "例", "?", "!"]) == [
        "CT", "ct_2", "CT_3", "例", "例_2", "case", "case_2",
    ]  # fmt: skip


def test_a_number_that_is_taken_already_is_not_given_again():
    assert len(set(unique_case_names(["a", "a_2", "a", "a"]))) == 4
