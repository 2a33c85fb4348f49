"""Resources are found in the source tree and where they are installed."""

from __future__ import annotations

import pytest

from coranet.contract.errors import StorageError
from coranet.contract.resources import resource_path


def test_resources_of_the_source_tree_are_found():
    assert resource_path("UI/CoraNetSlicer.ui").is_file()


def test_installed_resources_come_first(tmp_path):
    for place in (tmp_path / "module" / "Resources", tmp_path / "Resources"):
        place.mkdir(parents=True)
        (place / "a.txt").write_text("", encoding="utf-8")
    path = resource_path("a.txt", tmp_path / "module")
    assert path == tmp_path / "module" / "Resources" / "a.txt"


def test_a_missing_resource_is_named(tmp_path):
    with pytest.raises(StorageError, match="install the extension again"):
        resource_path("no.ui", tmp_path)
