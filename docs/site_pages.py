"""Hooks of MkDocs: generated pages, pictures and links from outside of docs/, and equations without a script."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

DOCS = Path(__file__).resolve().parent
REPOSITORY = DOCS.parent
PICTURES = {"screenshots": REPOSITORY / "Resources" / "Screenshots", "icons": REPOSITORY / "Resources" / "Icons"}


def on_config(config: Any) -> Any:
    """Let the program and the module beside this one be imported."""
    sys.path[:0] = [str(REPOSITORY / "CoraNetSlicer"), str(DOCS)]
    return config


def on_files(files: Any, config: Any) -> Any:
    """Add the pictures, which lie outside of docs/ because README and Slicer's catalog show them, too."""
    from mkdocs.structure.files import File

    for folder, source in PICTURES.items():
        for picture in sorted(source.glob("*.*")):
            files.append(File.generated(config, f"{folder}/{picture.name}", abs_src_path=str(picture)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Put generated pages in their places, and links to files of the repository onto their place on the web."""
    from reference_pages import PAGES

    text = re.sub(r"^<!-- generated: (.+) -->$", lambda found: PAGES[found[1]](), markdown, flags=re.MULTILINE)
    folder = DOCS / Path(page.file.src_uri).parent
    depth = page.file.src_uri.count("/")
    return re.sub(r"\]\(([^)\s]+)\)", lambda found: f"]({_address(found[1], folder, depth, config)})", text)


def _address(link: str, folder: Path, depth: int, config: Any) -> str:
    parts = urlsplit(link)
    target = (folder / parts.path).resolve()
    if parts.scheme or not parts.path or target.is_relative_to(DOCS) or not target.exists():
        return link
    for name, source in PICTURES.items():
        if target.is_relative_to(source):
            return "../" * depth + f"{name}/{target.name}"
    kind = "tree" if target.is_dir() else "blob"
    fragment = f"#{parts.fragment}" if parts.fragment else ""
    return f"{config.repo_url.rstrip('/')}/{kind}/main/{target.relative_to(REPOSITORY).as_posix()}{fragment}"


def on_page_content(html: str, page: Any, config: Any, files: Any) -> str:
    """Write equations as MathML, which every browser draws by itself, and let long names in tables break."""
    html = re.sub(
        r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>',
        lambda found: _mathml(found[2], "block" if found[1] == "div" else "inline"),
        html,
        flags=re.DOTALL,
    )
    return re.sub(r"<td.*?</td>", lambda cell: re.sub(r"(?<=<code>)[^<]+", _breakable, cell[0]), html, flags=re.DOTALL)


def _breakable(code: re.Match[str]) -> str:
    return re.sub(r"(::|[._/,=])(?=\w)", r"\1<wbr>", code[0])


def _mathml(equation: str, display: str) -> str:
    from html import unescape

    from latex2mathml.converter import convert

    return convert(unescape(equation), display=display)
