"""What documents tell people to type: commands parse, settings and calls exist, messages are those of the program."""

from __future__ import annotations

import ast
import json
import re
import shlex
from functools import cache
from pathlib import Path

import pytest
from source_tree import REPOSITORY, SOURCE_ROOT, files_in

from coranet.command_line.cli import _parser
from coranet.contract.config import SegmentConfig, TrainConfig
from CoraNetSlicerLib.jobs.handle import JobHandle
from CoraNetSlicerLib.logic import CoraNetLogic
from CoraNetSlicerLib.review.region_review import RegionReview

DOCUMENTS = sorted([REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *(REPOSITORY / "docs").rglob("*.md")])
SETTINGS = {setting.name for config in (TrainConfig, SegmentConfig) for setting in config.settings()}
SECTIONS = {name.partition(".")[0] for name in SETTINGS if "." in name}
# Names that the examples give to objects of these classes.
EXAMPLE_CLASSES = {
    "logic": CoraNetLogic,
    "training": JobHandle,
    "job": JobHandle,
    "better": JobHandle,
    "review": RegionReview,
}
TROUBLESHOOTING = REPOSITORY / "docs" / "how-to" / "troubleshooting.md"

TEXTS = {path.relative_to(REPOSITORY).as_posix(): path.read_text(encoding="utf-8") for path in DOCUMENTS}


def blocks(text: str, *languages: str) -> list[str]:
    """Fenced blocks of these languages; "" is a block without one."""
    matches = re.findall(r"^```(\w*)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [block for language, block in matches if language in languages]


def command_lines(text: str) -> list[list[str]]:
    """Arguments of each call of the engine in the blocks of a text."""
    lines = "\n".join(blocks(text, "bash", "")).replace("\\\n", " ").splitlines()
    calls = [
        re.match(r"(?:\S*/)?(?:coranet|python \S*coranet/__main__\.py) (?=[a-z])(.*)", line.strip()) for line in lines
    ]
    return [shlex.split(call[1], comments=True) for call in calls if call]


@cache
def messages() -> str:
    """All texts of the program, with "…" for what is put in, one after the other."""
    found = []
    for file in files_in("."):
        for node in file.nodes:
            if isinstance(node, ast.JoinedStr):
                found.append("".join(part.value if isinstance(part, ast.Constant) else "…" for part in node.values))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return "\n".join(found)


def test_command_lines_are_those_of_the_program():
    parser = _parser()
    for name, text in TEXTS.items():
        for args in command_lines(text):
            try:
                parser.parse_args(args)
            except SystemExit:
                pytest.fail(f"{name} has a command line that does not parse: {shlex.join(args)}")


def test_options_that_are_named_exist():
    [commands] = [action.choices for action in _parser()._actions if isinstance(action.choices, dict)]
    known = {command: set(parser._option_string_actions) for command, parser in commands.items()}
    lines = [(name, line) for name, text in TEXTS.items() for line in re.findall(r"`coranet ([a-z][^`]*)`", text)]
    for name, line in lines:
        command, *args = line.split()
        assert command in known, f"{name}: there is no command 'coranet {command}'"
        options = {word.partition("=")[0] for word in args if word.startswith("--")}
        assert options <= known[command], f"{name}: {line}"


def test_settings_that_are_named_exist():
    for document, text in TEXTS.items():
        named = set(re.findall(r"--set ([a-z_.]+)=", text))
        quoted = set(re.findall(r"`([a-z_]+\.[a-z_]+)(?:[=.][^`]*)?`", text))
        named |= {name for name in quoted if name.partition(".")[0] in SECTIONS and not is_module(name)}
        assert named <= SETTINGS, f"{document} names settings that do not exist: {sorted(named - SETTINGS)}"


@cache
def is_module(name: str) -> bool:
    """Whether a dotted name is that of a file, or of a name in a file, of the engine or of the Slicer side."""
    package, _, inner = name.partition(".")
    for path in (SOURCE_ROOT / "coranet" / package, SOURCE_ROOT / "CoraNetSlicerLib" / package):
        if (path / f"{inner}.py").is_file() or (path / inner).is_dir():
            return True
        module = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        if module.is_file() and re.search(rf"\b{inner}\b", module.read_text(encoding="utf-8")):
            return True
    return False


def test_python_is_python_and_calls_what_there_is():
    found = [(name, block) for name, text in TEXTS.items() for block in blocks(text, "python")]
    for name, block in found:
        for node in ast.walk(ast.parse(block, filename=name)):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                owner = EXAMPLE_CLASSES.get(node.value.id)
                exists = owner is None or hasattr(owner, node.attr) or node.attr == "jobsFolder"
                assert exists, f"{name}: {ast.unparse(node)}"


def test_json_is_json():
    for name, text in TEXTS.items():
        for block in blocks(text, "json"):
            try:
                json.loads(block)
            except json.JSONDecodeError as error:
                pytest.fail(f"{name} has JSON that is none: {error}")


@pytest.mark.slow
def test_messages_that_are_explained_are_those_of_the_program():
    rows = re.findall(r"^\| (.*?) \|", TROUBLESHOOTING.read_text(encoding="utf-8"), re.MULTILINE)
    named = [message for row in rows for message in re.findall(r'"([^"]+)"', row)]
    assert len(named) > 25
    unknown = [message for message in named if message not in messages()]
    assert not unknown, f"{TROUBLESHOOTING.name} explains messages that the program does not have: {unknown}"


@pytest.mark.parametrize("name", ["README.md", "docs/index.md"])
def test_readers_are_led_to_the_glossary(name):
    assert "glossary.md" in (REPOSITORY / name).read_text(encoding="utf-8")


def test_the_glossary_has_its_eight_terms():
    text = (REPOSITORY / "docs" / "glossary.md").read_text(encoding="utf-8")
    terms = re.findall(r"^\| \*\*(.+?)\*\* \|", text, re.MULTILINE)
    expected = "case, labeled, unlabeled, conservative, radical, uncertain region, caution, teach back"
    assert ", ".join(terms) == expected


def test_readme_is_short():
    assert len((REPOSITORY / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


def test_a_command_that_does_not_parse_is_noticed():
    [args] = command_lines("```bash\n.venv/bin/coranet train scans --no-such-option  # a comment\n```\n")
    assert args == ["train", "scans", "--no-such-option"]
    with pytest.raises(SystemExit):
        _parser().parse_args(args)


def test_each_document_of_the_site_is_in_its_navigation():
    yaml = pytest.importorskip("yaml")
    site = yaml.safe_load((REPOSITORY / "mkdocs.yml").read_text(encoding="utf-8"))

    def pages(entry) -> list[str]:
        if isinstance(entry, str):
            return [entry]
        return [page for part in (entry.values() if isinstance(entry, dict) else entry) for page in pages(part)]

    folder = REPOSITORY / "docs"
    listed = pages(site["nav"])
    # Decisions are listed by their own page.
    present = [path.relative_to(folder).as_posix() for path in folder.rglob("*.md") if not path.name.startswith("0")]
    assert sorted(listed) == sorted(present)
    assert all((folder / Path(page)).is_file() for page in listed)
