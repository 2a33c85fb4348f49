"""Documents that lie are worse than none: what can be compared with the program is compared."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from functools import cache
from pathlib import Path

import pytest
from rules import JOB_FILE_NAMES
from source_tree import REPOSITORY

from coranet.contract.directory import JobStatus
from coranet.contract.errors import CoraNetError
from coranet.contract.events import EVENT_TYPES

ENGINE_SOURCE = "\n".join(
    path.read_text(encoding="utf-8") for path in sorted((REPOSITORY / "CoraNetSlicer" / "coranet").rglob("*.py"))
)
# Where an event is made with a code, or a code stands beside its message.
WARNING_CODES = sorted(set(re.findall(r"""(?:Warned|Noted)\(\s*"(\w+)"|self\._count\("(\w+)\"""", ENGINE_SOURCE)))
DOCUMENTS = sorted([*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md")])
ENGINE_MODULES = sorted(
    path.stem
    for path in (REPOSITORY / "CoraNetSlicer" / "coranet").iterdir()
    if path.name[0] not in "._" and path.suffix in ("", ".py")
)
ARCHITECTURE = (REPOSITORY / "docs" / "explanation" / "architecture.md").read_text(encoding="utf-8")
# As comments and messages name them: a document, or a decision by its number.
NAMED_DOCUMENT = r"docs/[\w/-]+(?:\.md|adr/\d{4})"
JOB_DOCUMENT = (REPOSITORY / "docs" / "reference" / "job-directory.md").read_text(encoding="utf-8")


def test_each_event_is_described_with_all_its_keys():
    # Of several tables with such a row, the first one is meant.
    rows = dict(reversed(re.findall(r"^\| `(\w+)` \| ([^|]*) \|", JOB_DOCUMENT, re.MULTILINE)))
    described = {event: re.findall(r"`(\w+)`", rows.get(event, "")) for event in EVENT_TYPES}
    assert described == {
        name: [field.name for field in fields(event) if field.name != "time"] for name, event in EVENT_TYPES.items()
    }, "docs/reference/job-directory.md needs a row for each event, with its keys"


def test_each_code_of_a_warning_or_note_is_described():
    assert [code for code in map("".join, WARNING_CODES) if f"`{code}`" not in JOB_DOCUMENT] == []


def test_each_part_of_the_engine_is_in_the_architecture():
    tree = ARCHITECTURE.partition("## The tree")[2].partition("\n## ")[0]
    assert [module for module in ENGINE_MODULES if not re.search(rf"\b{module}\b", tree)] == []


def test_each_file_of_a_job_is_described():
    assert [name for name in JOB_FILE_NAMES if name not in JOB_DOCUMENT] == []


def test_each_status_is_described():
    values = [status.value for status in JobStatus]
    rows = [value for value in values if re.search(rf"^\|[^|]*\b{value}\b[^|]*\|", JOB_DOCUMENT, re.MULTILINE)]
    assert rows == values


def test_each_exit_code_is_described():
    codes = JOB_DOCUMENT.partition("## Exit codes")[2]
    errors = CoraNetError.__subclasses__()
    assert [error.__name__ for error in errors if not re.search(rf"\b{error.exit_code} \w", codes)] == []


def test_links_lead_somewhere():
    broken = [
        f"{name_of(document)} links to {link}"
        for document in DOCUMENTS
        for link in re.findall(r"\]\((?!https?://|mailto:|#)([^)#\s]+)[^)]*\)", document.read_text(encoding="utf-8"))
        if not (document.parent / link).exists()
    ]
    assert not broken, "\n".join(broken)


def name_of(document: Path) -> str:
    return document.relative_to(REPOSITORY).as_posix()


@cache
def slugs(document: Path) -> set[str]:
    """The anchors of a document's headings, as GitHub and MkDocs make them."""
    text = re.sub(r"^```.*?^```", "", document.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower()) for heading in headings}


def test_links_lead_to_headings_that_there_are():
    broken = []
    for document in DOCUMENTS:
        links = re.findall(r"\]\((?!https?://|mailto:)([^)#\s]*)#([^)\s]+)\)", document.read_text(encoding="utf-8"))
        places = [((document.parent / path).resolve() if path else document, fragment) for path, fragment in links]
        broken += [
            f"{name_of(document)} links to {path.name}#{part}" for path, part in places if part not in slugs(path)
        ]
    assert not broken, "\n".join(broken)


def test_commands_that_documents_name_exist():
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    for document in DOCUMENTS:
        named = set(re.findall(r"(?:`|^)make ([a-z-]+)", document.read_text(encoding="utf-8"), re.MULTILINE))
        assert named <= targets, f"{name_of(document)} names make targets that do not exist: {named - targets}"


@pytest.mark.parametrize(
    "preset", sorted((REPOSITORY / "Resources" / "Presets").glob("*.json")), ids=lambda path: path.stem
)
def test_presets_say_what_they_are_for(preset):
    assert json.loads(preset.read_text(encoding="utf-8"))["description"].endswith(".")


def test_documents_that_the_program_names_are_there():
    sources = [*(REPOSITORY / "CoraNetSlicer").rglob("*.py"), *(REPOSITORY / "Testing").rglob("*.py")]
    named = {(name, path.name) for path in sources for name in re.findall(NAMED_DOCUMENT, path.read_text("utf-8"))}
    missing = sorted((name, where) for name, where in named if not any(REPOSITORY.glob(f"{name}*")))
    assert not missing, f"documents that are not there: {missing}"


def test_each_decision_has_a_number_of_its_own():
    folder = REPOSITORY / "docs" / "explanation" / "adr"
    numbers = [path.name[:4] for path in sorted(folder.glob("0*.md"))]
    assert numbers == [f"{number:04}" for number in range(1, len(numbers) + 1)]
    assert all(path.read_text(encoding="utf-8").startswith(f"# {path.name[:4]} ") for path in folder.glob("0*.md"))
