"""What runs, of several parts of the panel, and the last message of any of them."""

from __future__ import annotations

import pytest

from CoraNetSlicerLib.core.activities import Activities, Activity
from CoraNetSlicerLib.core.notification import Signal


class Part:
    """A part of the panel."""

    def __init__(self, activities: Activities, name: str, message: str = "") -> None:
        self.name = name
        self.changed = Signal()
        self.is_running = False
        self.message = message
        self.end = activities.watch(self.changed, self._activity, lambda: self.message)

    def _activity(self) -> Activity | None:
        return Activity(self.name, 0.5, None, lambda: None) if self.is_running else None

    def set(self, is_running: bool = False, message: str = "") -> None:
        self.is_running, self.message = is_running, message or self.message
        self.changed.send()


@pytest.fixture
def activities() -> Activities:
    return Activities()


def test_of_several_the_one_that_was_started_last_is_current(activities):
    first, second = Part(activities, "first"), Part(activities, "second")
    assert activities.current is None
    second.set(True)
    first.set(True)
    second.set(True)
    assert activities.current.name == "first"
    first.set(False)
    assert activities.current.name == "second"
    second.set(False)
    assert activities.current is None


def test_the_latest_news_are_the_message(activities):
    first, second = Part(activities, "first", "old"), Part(activities, "second", "older")
    assert activities.message == "", "what was said before is not news"
    first.set(message="new")
    second.set(message="newer")
    first.set(message="new")
    assert activities.message == "newer"
    activities.show("newest")
    assert activities.message == "newest"


def test_it_tells_of_changes_until_a_part_is_let_go(activities):
    part, got = Part(activities, "part"), []
    activities.changed.connect(lambda: got.append(1))
    part.set(True)
    part.end()
    part.set(message="late")
    assert (got, activities.message) == ([1], "")
