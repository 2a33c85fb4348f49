"""Fuzzing of every reader of text, guided by coverage; FUZZ_SECONDS says how long, for all of them together."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from amounts import FUZZ_SECONDS, amount, counts
from fuzz import Fuzzer
from hostile_images import whole_rows
from readers import READERS
from source_tree import REPOSITORY
from test_hostile_documents import TEXTS
from test_hostile_results import voxels_of
from valid_files import write_all

from coranet.contract.image_headers import read_image_header
from coranet.volume.integrity import require_whole

_IMAGES = ("result in NRRD", "header of NRRD", "header of NIfTI", "header of MetaImage")
_FILES = dict(zip(_IMAGES, ("a.nrrd", "a.nrrd", "a.nii", "a.mha"), strict=True))
# Whatever is found once is found again.
_SEED = 12


def image_header(path: Path) -> None:
    """What is read of an image file before ITK sees it."""
    read_image_header(path)
    require_whole(path)


@pytest.fixture(scope="module")
def texts(tmp_path_factory) -> dict[str, Path]:
    return write_all(tmp_path_factory.mktemp("fuzzed"))


@pytest.mark.parametrize("name", [*TEXTS, *_IMAGES])
def test_readers(name, tmp_path, request):
    if name in TEXTS:
        path, reader = request.getfixturevalue("texts")[name], READERS[TEXTS[name]]
    else:
        path = tmp_path / _FILES[name]
        expected = "as the engine writes it" if name == "result in NRRD" else f"whole {path.name}, plain"
        next(row for row in whole_rows() if row.name == expected).write(path)
        reader = voxels_of if name == "result in NRRD" else image_header
    # Each reader with its own numbers, the same in every run.
    fuzzer = Fuzzer(name, reader, path, str(REPOSITORY / "CoraNetSlicer"), random.Random(f"{_SEED} {name}"))
    fuzzer.run(FUZZ_SECONDS / (len(TEXTS) + len(_IMAGES)), least=amount(2000, 25))
    counts[f"contents that the fuzzer tried, {name}"] += fuzzer.tried
    assert not fuzzer.findings, "\n".join(
        f"{where}: {text}: {content[:300]!r}" for where, (text, content) in fuzzer.findings.items()
    )
