"""Errors say in one sentence what could not be done, name the file, and end the process with a code of their own."""

from __future__ import annotations

import errno
import re

import pytest

from coranet.contract import errors
from coranet.contract.errors import CoraNetError, DataError, StorageError, file_error, reason_of, storage_error

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, CoraNetError)]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)])
def test_a_full_disk_is_called_by_its_name(code):
    error = storage_error("job/last.pt", OSError(code, "whatever the system says"))
    assert isinstance(error, StorageError)
    assert str(error).startswith("'job/last.pt' could not be written because the disk is full; free some space")
    assert "--resume" in str(error)


def test_any_other_failed_write_says_why_and_what_to_do():
    error = storage_error("job/last.pt", PermissionError(errno.EACCES, "Permission denied"))
    assert str(error) == (
        "'job/last.pt' could not be written (Permission denied); choose a folder in which you may write."
    )


REMEDIES = {
    "EACCES": "choose a folder in which you may write",
    "EROFS": "choose a folder in which you may write",
    "EMFILE": "too many files are open: close other programs",
    "ENAMETOOLONG": "its name or path is too long",
    "EISDIR": "a file or folder of that name already exists",
    "EEXIST": "a file or folder of that name already exists",
    "EIO": "its disk or network folder does not answer",
    "ENODEV": "its disk or network folder does not answer",
    "ENOENT": "it or its folder is gone",
    "EBUSY": "it is open in another program",
    "EINVAL": "check its folder and the space there",
}


@pytest.mark.parametrize("code", REMEDIES)
def test_each_cause_has_its_own_remedy(code):
    error = OSError(getattr(errno, code), "what the system says")
    assert f"could not be written (what the system says); {REMEDIES[code]}" in str(storage_error("a", error))
    assert f"could not be read or written (what the system says); {REMEDIES[code]}" in str(file_error("a", error))


def test_an_error_without_a_number_keeps_its_words():
    assert "(12 requested and 0 written)" in str(storage_error("a.npy", OSError("12 requested and 0 written")))


def test_each_kind_of_error_has_an_exit_code_of_its_own():
    # A kind of a kind ends with the code of that.
    codes = [kind.exit_code for kind in KINDS if "exit_code" in vars(kind)]
    assert len(set(codes)) == len(codes) == 9
    assert 0 not in codes


def test_the_exit_codes_are_those_of_the_document(repository):
    text = (repository / "docs" / "reference" / "job-directory.md").read_text(encoding="utf-8")
    promised = {int(code) for code in re.findall(r"\b(\d+) [a-z]", text.partition("## Exit codes")[2])}
    assert promised == {0, 70, *(kind.exit_code for kind in KINDS)}


def test_the_reason_of_an_error_leaves_its_remedy_out():
    assert reason_of(DataError("'a' is empty (0; 1); copy it again.")) == "'a' is empty (0; 1)"
    assert reason_of(DataError("'a' is empty.")) == "'a' is empty"
    assert reason_of(RuntimeError("loading; of a network:\n\tSize mismatch")) == "loading; of a network"
    assert reason_of(ValueError()) == ""
