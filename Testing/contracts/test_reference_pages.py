"""Reference pages that are made from the program hold all of it."""

from __future__ import annotations

import re

import pytest
import reference_pages
from source_tree import REPOSITORY

from coranet.command_line.cli import _parser
from coranet.contract.config import SegmentConfig, TrainConfig, preset_names


def test_the_command_line_has_each_command_with_each_option():
    text = reference_pages.command_line()
    options = set(re.findall(r"--[a-z][a-z-]+", _parser().format_help())) - {"--version"}
    commands = re.findall(r"^## coranet (\w+)$", text, re.MULTILINE)
    assert {"train", "segment", "evaluate", "run", "experiment", "doctor"} <= set(commands)
    assert all(f"`{option}" in text for option in options)


def test_settings_are_all_there_with_default_and_meaning():
    text = reference_pages.settings()
    for config in (TrainConfig, SegmentConfig):
        for setting in config.settings():
            row = next(line for line in text.splitlines() if line.startswith(f"| `{setting.name}` |"))
            assert setting.meaning.replace("|", "\\|") in row


def test_presets_are_all_there():
    rows = reference_pages.presets().splitlines()[2:]
    assert [row.split("`")[1] for row in rows] == list(preset_names())


@pytest.mark.slow
def test_the_console_api_has_what_scripts_call():
    pytest.importorskip("griffe")
    text = reference_pages.console_api()
    for name in ("train", "segment", "segmentFolder", "attach", "loadResults", "improve", "onFinished", "cancel"):
        assert re.search(rf"^### {name}$", text, re.MULTILINE), f"{name} is absent"
    assert "\n### _" not in text
    source = "\n".join(path.read_text(encoding="utf-8") for path in (reference_pages.PROGRAM).rglob("*.py"))
    for name in {name for names in reference_pages._OF_THE_PANEL.values() for name in names}:
        assert f"    def {name}(" in source and f"\n### {name}\n" not in text, f"{name} is none of a class, or shown"


def test_a_bar_in_a_cell_does_not_end_it():
    assert reference_pages._table(("a",), [("x|y",)])[-1] == "| x\\|y |"


def test_documents_ask_for_pages_that_there_are():
    texts = [path.read_text(encoding="utf-8") for path in (REPOSITORY / "docs").rglob("*.md")]
    pages = {page for text in texts for page in re.findall(r"<!-- generated: (.+) -->", text)}
    assert pages and pages <= set(reference_pages.PAGES)
