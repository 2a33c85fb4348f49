"""Reference pages that are made from the program itself, so that they cannot differ from it.

`PAGES` names them. A document asks for one with a line `<!-- generated: NAME -->`; site_pages.py puts it there.
"""

from __future__ import annotations

import argparse
import json
import re
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

PROGRAM = Path(__file__).resolve().parents[1] / "CoraNetSlicer"
# Classes of the console API, in the order of the page.
CONSOLE_CLASSES = ("CoraNetLogic", "JobHandle", "RegionReview")
# Public for other files of the panel, not for scripts.
_OF_THE_PANEL = {
    "CoraNetLogic": {"newFolder", "openRegions"},
    "RegionReview": {
        "decided_boxes",
        "keep",
        "look_at",
        "margins",
        "read_steps",
        "repeat",
        "take_all_back",
        "take_over",
    },
}


def command_line() -> str:
    """Each command with its usage, arguments and options."""
    from coranet.command_line.cli import _parser

    [commands] = [one for one in _parser()._actions if isinstance(one, argparse._SubParsersAction)]
    meanings = {one.dest: one.help or "" for one in commands._choices_actions}
    lines: list[str] = []
    for name, parser in commands.choices.items():
        lines += [f"## coranet {name}", "", _sentence(meanings[name]), "", "```text", _usage(parser), "```", ""]
        lines += _table(("argument", "meaning"), (_argument(action) for action in parser._actions)) + [""]
    return "\n".join(lines)


def settings() -> str:
    """Each setting with its default, its unit and range or its choices, and what it means."""
    from coranet.contract.config import SegmentConfig, TrainConfig

    lines: list[str] = []
    for title, config in (("Training", TrainConfig), ("Segmentation", SegmentConfig)):
        lines += [f"## {title}", ""]
        rows = [
            (f"`{one.name}`", f"`{json.dumps(one.default)}`", _allowed(one), _with_paper(one))
            for one in config.settings()
        ]
        lines += _table(("setting", "default", "allowed", "meaning"), rows) + [""]
    return "\n".join(lines)


def presets() -> str:
    """Each preset with the sentence that says what it is for."""
    from coranet.contract.config import preset_names
    from coranet.contract.config.presets import preset_path

    read = {name: json.loads(preset_path(name).read_text(encoding="utf-8")) for name in preset_names()}
    return "\n".join(_table(("preset", "for"), ((f"`{name}`", read[name]["description"]) for name in read)))


def console_api() -> str:
    """Public members of the classes that scripts in Slicer meet, from their docstrings. Nothing is imported."""
    import griffe

    package = griffe.load("CoraNetSlicerLib", search_paths=[str(PROGRAM)], docstring_parser="google")
    lines: list[str] = []
    for name in CONSOLE_CLASSES:
        [found] = [one for module in _modules(package) for one in _own_classes(module) if one.name == name]
        lines += [f"## {name}", "", *_documented(found)]
        members = [one for one in _public_members(found) if one.name not in _OF_THE_PANEL.get(name, ())]
        for member in sorted(members, key=lambda one: one.name.lower()):
            lines += [f"### {member.name}", "", f"`{_signature(member)}`", "", *_documented(member)]
    return "\n".join(lines)


def decisions() -> str:
    """A link to each decision on the design, beside the page that asks for it."""
    folder = Path(__file__).resolve().parent / "explanation" / "adr"
    titles = {path.name: path.read_text(encoding="utf-8").splitlines()[0] for path in sorted(folder.glob("0*.md"))}
    return "\n".join(f"- [{title.removeprefix('# ')}]({name})" for name, title in titles.items())


PAGES: dict[str, Callable[[], str]] = {
    "command line": command_line,
    "console API": console_api,
    "decisions": decisions,
    "presets": presets,
    "settings": settings,
}


def _table(head: tuple[str, ...], rows: Any) -> list[str]:
    cells = [head, ("---",) * len(head), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in cells]


def _sentence(text: str) -> str:
    text = " ".join(text.split())
    first = text.partition(" ")[0]
    text = text if "." in first or "_" in first else f"{text[:1].upper()}{text[1:]}"
    return text if text.endswith(".") or not text else f"{text}."


def _usage(parser: argparse.ArgumentParser) -> str:
    words = " ".join(parser.format_usage().removeprefix("usage: ").split())
    kept_together = re.sub(r"\[[^]]*\]", lambda option: option[0].replace(" ", "\0"), words)
    lines = textwrap.wrap(kept_together, 88, subsequent_indent="    ", break_on_hyphens=False)
    return "\n".join(lines).replace("\0", " ")


def _argument(action: argparse.Action) -> tuple[str, str]:
    value = action.metavar or action.dest.upper()
    takes_value = action.nargs != 0
    names = [f"{name} {value}" if takes_value else name for name in action.option_strings]
    shown = ", ".join(f"`{name}`" for name in names) or f"`{action.metavar or action.dest}`"
    meaning = (action.help or "").replace("%(default)s", str(action.default)).replace("%%", "%")
    return shown, _sentence(meaning.replace("<", "&lt;"))


def _allowed(setting: Any) -> str:
    if setting.choices:
        return ", ".join(map(str, setting.choices))
    if setting.minimum is None and setting.maximum is None:
        return setting.unit
    if setting.maximum is None:
        return f"at least {setting.minimum:,} {setting.unit}".strip()
    return f"{setting.minimum:,} to {setting.maximum:,} {setting.unit}".strip()


def _with_paper(setting: Any) -> str:
    return f"{setting.meaning} The paper: {setting.paper}." if setting.paper else setting.meaning


def _modules(module: Any) -> Iterator[Any]:
    yield module
    for inner in module.modules.values():
        if not inner.is_alias:
            yield from _modules(inner)


def _own_classes(module: Any) -> list[Any]:
    return [one for one in module.classes.values() if not one.is_alias]


def _public_members(found: Any) -> list[Any]:
    members = [one for name, one in found.all_members.items() if not name.startswith("_")]
    return [one for one in members if one.docstring is not None]


def _signature(member: Any) -> str:
    if not member.is_function:
        return member.name
    parameters = [one for one in member.parameters if one.name != "self"]
    shown = [one.name if one.default is None else f"{one.name}={one.default}" for one in parameters]
    return f"{member.name}({', '.join(shown)})"


def _documented(member: Any) -> list[str]:
    lines: list[str] = []
    for section in member.docstring.parsed if member.docstring else []:
        kind = section.kind.value
        if kind == "text":
            lines += [section.value, ""]
        elif kind == "examples":
            lines += ["```python", *(text for _, text in section.value), "```", ""]
        elif kind in ("parameters", "attributes", "raises", "returns", "yields"):
            lines += [f"**{kind.capitalize()}**", "", *(_item(one) for one in section.value), ""]
    return lines


def _item(part: Any) -> str:
    name = getattr(part, "name", "") or (str(part.annotation) if getattr(part, "annotation", None) else "")
    meaning = " ".join(part.description.split())
    return f"- `{name}`: {meaning}" if name else f"- {meaning}"
