"""One page of the panel at a time, in the order of the work."""

from __future__ import annotations

import pytest
from clicks import click
from form import child_widget_variables
from PySide6.QtCore import QEvent, QObject
from PySide6.QtGui import QColor, QPalette
from pythonqt import unwrap

from CoraNetSlicerLib.core.pages import PAGES, Pages


@pytest.fixture
def fresh_ui(form):
    """The form as it opens: one page in sight."""
    return child_widget_variables(form)


@pytest.fixture
def pages(fresh_ui):
    pages = Pages(fresh_ui)
    yield pages
    pages.cleanup()


def in_sight(ui) -> list[str]:
    return [name for name in PAGES if getattr(ui, f"{name}Page").isVisible()]


def pressed(ui) -> list[str]:
    return [name for name in PAGES if getattr(ui, f"{name}Step").isChecked()]


def test_it_opens_with_the_data(pages, fresh_ui):
    assert in_sight(fresh_ui) == pressed(fresh_ui) == ["data"]


@pytest.mark.parametrize("name", PAGES)
def test_a_click_shows_a_page_alone(pages, fresh_ui, name):
    got = []
    pages.changed.connect(got.append)
    click(getattr(fresh_ui, f"{name}Step"))
    assert in_sight(fresh_ui) == pressed(fresh_ui) == got == [name]
    assert pages.current == name


def test_a_second_click_on_a_step_changes_nothing(pages, fresh_ui):
    click(fresh_ui.trainStep)
    click(fresh_ui.trainStep)
    assert in_sight(fresh_ui) == pressed(fresh_ui) == ["train"]


@pytest.mark.parametrize("name", ["jobs", "environment"])
def test_a_second_click_on_a_small_button_goes_back_to_the_step(pages, fresh_ui, name):
    click(fresh_ui.segmentStep)
    click(getattr(fresh_ui, f"{name}Step"))
    click(getattr(fresh_ui, f"{name}Step"))
    assert in_sight(fresh_ui) == pressed(fresh_ui) == ["segment"]


def test_news_are_marked_until_they_are_seen(pages, fresh_ui):
    pages.set_news("review")
    pages.set_news("data")
    assert [fresh_ui.dataStep.text, fresh_ui.reviewStep.text] == ["1 Data", "4 Review \u2022"], "data is in sight"
    pages.show("review")
    assert fresh_ui.reviewStep.text == "4 Review"


def test_a_warning_on_a_button_stays_when_its_page_is_shown(pages, fresh_ui):
    fresh_ui.environmentStep.setText("Environment \u26a0")
    pages.show("environment")
    pages.show("data")
    assert fresh_ui.environmentStep.text == "Environment \u26a0"


def test_after_cleaning_up_clicks_do_nothing(pages, fresh_ui):
    pages.cleanup()
    fresh_ui.trainStep.click()
    assert in_sight(fresh_ui) == ["data"]


def test_in_another_style_of_the_application_its_buttons_have_other_colors(pages, fresh_ui, process_events):
    """A style sheet keeps the colours with which it was set."""
    set_again = []
    fresh_ui.steps.setStyleSheet("QToolButton { border: none; }")

    class Watch(QObject):
        def eventFilter(self, _watched, event):  # noqa: N802
            set_again.append(event.type() == QEvent.Type.StyleChange)
            return False

    steps, watch = unwrap(fresh_ui.steps), Watch()
    steps.installEventFilter(watch)
    dark = QPalette(QColor(50, 50, 50))
    unwrap(fresh_ui.pages).setPalette(dark)
    process_events()
    assert any(set_again) and fresh_ui.steps.styleSheet == "QToolButton { border: none; }"
    steps.removeEventFilter(watch)
    set_again.clear()
    pages.cleanup()
    unwrap(fresh_ui.pages).setPalette(QPalette(QColor(240, 240, 240)))
    process_events()
    assert not any(set_again)
