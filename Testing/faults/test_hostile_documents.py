"""Whatever stands in a file of text: its reader gives a value that can be used, or refuses in one sentence."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from amounts import amount, counts
from hostile_values import DOCUMENTS, with_values
from readers import READERS, answer_of
from valid_files import write_all

# Files of text by the name under which `write_all` gives them -> their reader.
TEXTS = {
    "datalist": "datalist", "job": "job", "job_datalist": "job", "process": "job", "train_config": "train_config",
    "segment_config": "segment_config", "events": "events", "model": "model", "plan": "plan", "regions": "regions",
    "review": "review", "result": "result",
}  # fmt: skip


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, Path]:
    """One valid file of each kind; each test puts back what it changes."""
    return write_all(tmp_path_factory.mktemp("valid"))


@pytest.fixture
def put(files) -> Callable[[str, bytes], Path]:
    """Puts other content into one of the files until the test is over."""
    kept: dict[Path, bytes] = {}

    def replace(name: str, content: bytes) -> Path:
        path = files[name]
        kept.setdefault(path, path.read_bytes())
        path.write_bytes(content)
        return path

    yield replace
    for path, content in kept.items():
        path.write_bytes(content)


@pytest.mark.parametrize("name", TEXTS)
def test_valid_ones_are_read(files, name):
    assert not answer_of(READERS[TEXTS[name]], files[name]).refusal


@pytest.mark.parametrize("document", DOCUMENTS)
@pytest.mark.parametrize("name", TEXTS)
def test_whole_documents(put, name, document):
    # An empty file, or one whose only line is not complete, has no events yet; settings may all be left out.
    may_be_read = {
        "events": {"empty", "blank", *(document for document in DOCUMENTS if not DOCUMENTS[document].endswith(b"\n"))},
        "train_config": {"empty object", "byte order mark"},
        "segment_config": {"empty object", "byte order mark"},
    }
    answer = answer_of(READERS[TEXTS[name]], put(name, DOCUMENTS[document]))
    counts["hostile documents"] += 1
    assert answer.refusal or document in may_be_read.get(name, ())


@pytest.mark.parametrize("document", [document for document in DOCUMENTS if document not in ("empty", "blank")])
def test_lines_of_events(put, document):
    answer = answer_of(READERS["events"], put("events", DOCUMENTS[document].replace(b"\n", b" ") + b"\n"))
    counts["hostile documents"] += 1
    assert answer.refusal


@pytest.mark.parametrize("name", [text for text in TEXTS if text != "events"])
def test_each_key_of(files, put, name):
    failures = []
    changed = with_values(json.loads(files[name].read_text(encoding="utf-8")))
    for key, value, text in itertools.islice(changed, 0, None, amount(1, 11)):
        failures += _failure(f"{key}: {value}", TEXTS[name], put(name, text.encode()))
    assert not failures, "\n".join(failures[:40])


def test_each_key_of_each_event(files, put):
    failures = []
    for line in files["events"].read_text(encoding="utf-8").splitlines():
        event = json.loads(line)
        for key, value, text in itertools.islice(with_values(event), 0, None, amount(1, 5)):
            failures += _failure(f"{event['type']}.{key}: {value}", "events", put("events", text.encode() + b"\n"))
    assert not failures, "\n".join(failures[:40])


def _failure(what: str, reader: str, path: Path) -> list[str]:
    """What a reader raises beside a sentence, as a line."""
    counts["hostile values of single keys"] += 1
    try:
        answer_of(READERS[reader], path)
    except Exception as error:  # noqa: BLE001 - all of them are listed
        text = str(error).splitlines()
        return [f"{what}: {type(error).__name__}: {text[0][:150] if text else ''}"]
    return []


def test_the_folder_is_as_it_was(files):
    for name in TEXTS:
        assert not answer_of(READERS[TEXTS[name]], files[name]).refusal
