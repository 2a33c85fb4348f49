"""The source files are read once, before forks run the tests (Testing/runner/forked_run.py)."""

from __future__ import annotations

from source_tree import files_in


def pytest_collection_finish() -> None:
    """Parse what nearly every rule looks at."""
    for file in files_in("."):
        file.nodes  # noqa: B018 - it is kept
