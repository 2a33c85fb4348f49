"""Paths in files that were written on another system."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest

from coranet.contract.errors import DataError
from coranet.contract.listed_paths import listed_path, same_letters

COMPOSED, DECOMPOSED = (unicodedata.normalize(form, "Läsion é") for form in ("NFC", "NFD"))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with images/a b.nrrd in it, which is also the home folder."""
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a b.nrrd").touch()
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    "text",
    [
        "images/a b.nrrd", "./images/a b.nrrd", "images\\a b.nrrd", ".\\images\\a b.nrrd", "images/../images/a b.nrrd",
        "~/images/a b.nrrd",
        "~\\images\\a b.nrrd", " images/a b.nrrd", "images/a b.nrrd ", "images//a b.nrrd", "{folder}/images/a b.nrrd",
    ],
)  # fmt: skip
def test_what_exists_is_found_however_it_is_written(folder, text):
    path = listed_path(folder, text.format(folder=folder))
    assert path.is_absolute() and os.path.samefile(path, folder / "images" / "a b.nrrd")


@pytest.mark.parametrize(("on_disk", "written"), [(COMPOSED, DECOMPOSED), (DECOMPOSED, COMPOSED), (COMPOSED, COMPOSED)])
def test_letters_with_accents_may_be_one_character_or_two(tmp_path, on_disk, written):
    (tmp_path / on_disk).mkdir()
    (tmp_path / on_disk / f"{on_disk}.nii").touch()
    for text in (f"{written}/{written}.nii", f"{written}\\{written}.nii"):
        assert os.path.samefile(listed_path(tmp_path, text), tmp_path / on_disk / f"{on_disk}.nii")
    assert same_letters(on_disk) == same_letters(written)


@pytest.mark.skipif(os.name == "nt", reason="there a backslash is a slash")
def test_a_backslash_in_a_name_comes_first(tmp_path):
    (tmp_path / "a\\b.nii").touch()
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b.nii").touch()
    assert listed_path(tmp_path, "a\\b.nii") == tmp_path / "a\\b.nii"


@pytest.mark.parametrize("text", ["images/none.nrrd", "Läsion/none.nrrd", "~nobody-of-that-name/x.nrrd"])
def test_what_does_not_exist_is_given_as_it_is_written(tmp_path, text):
    assert listed_path(tmp_path, text) == tmp_path / text


@pytest.mark.skipif(os.name == "nt", reason="they are paths of this system")
@pytest.mark.parametrize("text", ["C:\\data\\x.nrrd", "d:/data/x.nrrd", "\\\\server\\share\\x.nrrd"])
def test_a_path_of_windows_is_told_where_there_is_none(tmp_path, text):
    with pytest.raises(DataError, match="is a Windows path; write it as it is on this computer"):
        listed_path(tmp_path, text)


@pytest.mark.parametrize("text", ["", "  ", "C:\new.nii", "a\tb.nii", "a\0b.nii"], ids=repr)
def test_what_json_made_of_a_backslash_is_told(tmp_path, text):
    with pytest.raises(DataError, match="is empty or holds a control character; write '/'"):
        listed_path(tmp_path, text)


def test_relative_paths_begin_at_the_file_not_where_the_program_runs(folder, monkeypatch):
    monkeypatch.chdir(folder / "images")
    assert listed_path(folder, "images/a b.nrrd") == folder / "images" / "a b.nrrd"
    assert listed_path(Path(".."), "images/a b.nrrd").is_absolute()
