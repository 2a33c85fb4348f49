"""An HTML page that needs nothing else: style inside, readable on screen (light and dark) and on paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from .svg import COLORS, breakable

_DARK = ("#5aaeea", "#ff8f55", "#35cc9f", "#ea9fcd", "#f2b84b", "#93d2ff", "#b995e6", "#cda297", "#b8b8b8", "#dccf4f")

_STYLE = """
:root { color-scheme: light dark; --text: #1b1f24; --soft: #5b6470; --rule: #d5dae0; --page: #ffffff;
  --best: #eef5ea; }
body { margin: 0 auto; padding: 24px 20px 60px; max-width: 1000px; background: var(--page); color: var(--text);
  font: 15px/1.5 system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
h1 { font-size: 26px; margin: 0 0 4px; }
h2 { font-size: 19px; margin: 36px 0 6px; }
h3 { font-size: 15px; margin: 18px 0 4px; overflow-wrap: anywhere; }
p, ul { margin: 6px 0; }
.soft { color: var(--soft); }
code { font-size: 13px; overflow-wrap: anywhere; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: 13.5px; font-variant-numeric: tabular-nums; }
th, td { padding: 5px 9px; border-bottom: 1px solid var(--rule); text-align: right; vertical-align: top; }
thead th { border-bottom: 2px solid var(--soft); font-weight: 600; vertical-align: bottom; }
tr.best td { background: var(--best); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 2px 16px; margin: 8px 0; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
svg.chart { display: block; width: 100%; max-width: 860px; height: auto; }
figure { margin: 12px 0 20px; break-inside: avoid; }
figcaption { color: var(--soft); font-size: 13.5px; max-width: 860px; }
svg text { fill: var(--text); }
.grid { stroke: var(--rule); }
td { white-space: nowrap; }
td small { display: block; color: var(--soft); }
th:first-child, td:first-child { text-align: left; white-space: normal; min-width: 10em; padding-left: 2px; }
.legend { list-style: none; padding: 0; display: flex; flex-wrap: wrap; gap: 2px 18px; font-size: 13.5px; }
.legend li { position: relative; padding-left: 34px; max-width: 100%; box-sizing: border-box; }
.legend .swatch, .legend .key { position: absolute; left: 0; top: 6px; }
.keys li { padding-left: 18px; }
.strip { display: flex; flex-wrap: wrap; gap: 10px; }
.strip div { font-size: 12.5px; color: var(--soft); }
.strip img { display: block; image-rendering: pixelated; width: 220px; max-width: 100%; border-radius: 3px; }
.key { display: inline-block; width: 12px; height: 12px; border-radius: 2px; vertical-align: -1px; }
"""
_DARK_STYLE = ":root { --text: #e6e9ed; --soft: #a0a9b4; --rule: #3a424c; --page: #14181d; --best: #1d2b1c; }"
_PAPER_STYLE = """
body { max-width: none; padding: 0; font-size: 11pt; }
h2 { break-after: avoid; }
table { font-size: 7.5pt; }
th, td { padding: 3px 5px; }
.strip img { width: 150px; }
"""


def opening(title: str, note: str, facts: Mapping[str, str]) -> str:
    """How a page begins.

    Args:
        title: plain text.
        note: what the page is about, plain text.
        facts: name -> value, HTML.
    """
    terms = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in facts.items())
    return f'<h1>{escape(title)}</h1><p class="soft">{escape(note)}</p><dl>{terms}</dl>'


def page(title: str, sections: Sequence[str]) -> str:
    """A whole HTML document.

    Args:
        title: of the page.
        sections: HTML, in order.
    """
    dark = f"@media screen and (prefers-color-scheme: dark) {{ {_DARK_STYLE} {_colors(_DARK)} }}"
    style = f"{_STYLE}{_colors(COLORS)}\n{dark}\n@media print {{ {_PAPER_STYLE} }}"
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{style}</style></head>\n<body>\n"
        + "\n".join(sections)
        + "\n</body></html>\n"
    )


def section(title: str, *content: str) -> str:
    """A headline and what belongs to it; nothing if there is nothing to show."""
    shown = [part for part in content if part]
    return "" if not shown else f"<section><h2>{escape(title)}</h2>\n" + "\n".join(shown) + "</section>"


def figure(picture: str, caption: str, title: str = "") -> str:
    """A picture with the sentence below it; nothing if there is no picture."""
    head = f"<h3>{breakable(title)}</h3>" if title else ""
    return "" if not picture else f"<figure>{head}{picture}<figcaption>{escape(caption)}</figcaption></figure>"


def table(head: Sequence[str], rows: Sequence[Sequence[str]], best: Sequence[int] = ()) -> str:
    """A table of HTML cells.

    Args:
        head: text above the columns.
        rows: HTML of the cells.
        best: indices of rows to be set off.
    """
    top = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = "".join(
        f"<tr{' class=best' if index in best else ''}>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>"
        for index, row in enumerate(rows)
    )
    return f'<div class="wide"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


def _colors(colors: Sequence[str]) -> str:
    return " ".join(f".c{number} {{ color: {color}; }}" for number, color in enumerate(colors))
