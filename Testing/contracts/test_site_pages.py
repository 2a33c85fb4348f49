"""The hooks of the documentation site, without MkDocs."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import site_pages

CONFIG = SimpleNamespace(repo_url="https://example.org/us/it/")


def shown(markdown: str, page: str = "how-to/channels.md") -> str:
    """A page as it goes to MkDocs."""
    return site_pages.on_page_markdown(markdown, SimpleNamespace(file=SimpleNamespace(src_uri=page)), CONFIG, None)


@pytest.mark.parametrize(
    ("link", "address"),
    [
        ("../../README.md#install", "https://example.org/us/it/blob/main/README.md#install"),
        ("../../benchmarks/", "https://example.org/us/it/tree/main/benchmarks"),
        ("../../Resources/Screenshots/demo-slice.png", "../screenshots/demo-slice.png"),
        ("../reference/dataset.md", "../reference/dataset.md"),
        ("#a-heading", "#a-heading"),
        ("https://www.slicer.org", "https://www.slicer.org"),
        ("../../no-such-file.md", "../../no-such-file.md"),
    ],
)
def test_links_out_of_the_documents_lead_to_the_repository_or_to_copied_pictures(link, address):
    assert shown(f"see [this]({link})") == f"see [this]({address})"


def test_generated_parts_are_put_in_their_places():
    text = shown("# Title\n\n<!-- generated: presets -->\n")
    assert "| `quick` |" in text
    assert "generated" not in text


def test_long_names_in_tables_may_break_and_code_elsewhere_does_not():
    html = "<p><code>a.b</code></p><td>x.y <code>test_losses.py::test_it</code></td>"
    broken = site_pages.on_page_content(html, None, None, None)
    assert broken == "<p><code>a.b</code></p><td>x.y <code>test_<wbr>losses.<wbr>py::<wbr>test_<wbr>it</code></td>"


def test_equations_become_mathml():
    pytest.importorskip("latex2mathml")
    html = site_pages.on_page_content(r'<span class="arithmatex">\(a &lt; b_i\)</span>', None, None, None)
    assert html.startswith("<math") and "&lt;" in html and "arithmatex" not in html
