"""JSON as it comes from other systems, editors and people."""

from __future__ import annotations

import json

import pytest

from coranet.contract.config.json_text import JsonError, parse_json, read_json_file

CONTENT = {"labels": {"1": "Läsion"}, "training": []}
TEXT = json.dumps(CONTENT, ensure_ascii=False, indent=1)


@pytest.mark.parametrize(
    "encoding",
    ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be", "ascii"],
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["unix", "windows", "old-mac"])
def test_any_encoding_that_says_what_it_is_is_read(tmp_path, encoding, end):
    text = json.dumps(CONTENT, indent=1) if encoding == "ascii" else TEXT
    (tmp_path / "a.json").write_bytes(text.replace("\n", end).encode(encoding))
    assert read_json_file(tmp_path / "a.json") == CONTENT


WRONG = {
    "empty": ("", "it is empty"),
    "blank": (" \n ", "it is empty"),
    "comment": ('{\n "a": 1, // one\n "b": 2}', "line 2, column 10: comments are not part of JSON; remove"),
    "comment-last": ('{\n "a": 1 // one\n}', "line 2, column 9: comments"),
    "comment-first": ("# mine\n{}", "line 1, column 1: comments"),
    "comment-long": ('{"a": /* one */ 1}', "line 1, column 7: comments"),
    "comment-after-comma": ('{"a": [1, # one\n2]}', "comments are not part"),
    "comma-in-object": ('{\n "a": 1,\n}', "line ., column .*: there is a comma after the last entry; remove it"),
    "comma-in-list": ('{\n "a": [1, 2,\n ]}', "there is a comma after the last entry; remove it"),
    "comma-twice": ('{"a": 1,, "b": 2}', "line 1, column"),
    "comma-missing": ('{"a": 1\n "b": 2}', "line 2, column 2: a comma or a closing bracket is missing before"),
    "colon-missing": ('{"a" 1}', "a colon is missing"),
    "single-quotes": ("{'a': 1}", "straight double quotation marks"),
    "typographic-quotes": ("{\u201ca\u201d: 1}", "straight double quotation marks"),
    "no-quotes": ("{a: 1}", "names need double quotation marks"),
    "python-true": ('{"a": True}', "JSON writes true for True"),
    "python-none": ('{"a": None}', "JSON writes null for None"),
    "nan": ('{"a": NaN}', "NaN, which is not a number in JSON"),
    "infinity": ('{"a": -Infinity}', "which is not a number"),
    "backslash": ('{"a": "C:\\data\\x.nii"}', "a backslash is written twice in JSON"),
    "line-in-text": ('{"a": "one\ntwo"}', "continues past the end of its line"),
    "cut": ('{"a": [1, 2', "ends in the middle"),
    "cut-in-text": ('{"a": "b', "ends in the middle|closed"),
    "two-objects": ("{}\n{}", "line 2, column 1: something follows the end"),
    "key-twice": ('{"1": "a", "1": "b"}', "key '1' twice"),
    "deep": ("[" * 100_000, "nested too deeply"),
    "long-number": ("1" * 10_000, "correct it"),
    "letter": ("{x}", "line 1, column 2"),
    "html": ("<html></html>", "'<' is not allowed there"),
}


@pytest.mark.parametrize(("text", "sentence"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_told_with_its_line_and_a_remedy(tmp_path, text, sentence):
    (tmp_path / "a.json").write_text(text, encoding="utf-8", newline="")
    with pytest.raises(JsonError, match=sentence) as caught:
        read_json_file(tmp_path / "a.json")
    assert "; " in str(caught.value) and "\n" not in str(caught.value)


def test_a_text_in_an_old_code_page_names_the_line(tmp_path):
    (tmp_path / "a.json").write_bytes('{\n "a": "Müller"}'.encode("cp1252"))
    with pytest.raises(JsonError, match="line 2 has a letter that is not UTF-8; save the file in the encoding UTF-8"):
        read_json_file(tmp_path / "a.json")


@pytest.mark.parametrize("content", [b"\x89PNG\r\n\x1a\n\0\0\0", b"\x1f\x8b\x08\0\xff"], ids=["png", "gzip"])
def test_what_is_no_text_is_told(tmp_path, content):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(JsonError, match="not a text file"):
        read_json_file(tmp_path / "a.json")


def test_a_file_that_is_missing_is_for_the_caller_to_tell(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_json_file(tmp_path / "a.json")


def test_plain_values_come_as_they_are():
    assert parse_json(' {"a": [1, 2.5, null, true, "x"]} ') == {"a": [1, 2.5, None, True, "x"]}
