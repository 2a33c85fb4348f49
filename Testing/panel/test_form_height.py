"""A form is as high as its texts need, also where nobody asks for its height at a width."""

from __future__ import annotations

import pytest
import qt
from pythonqt import unwrap

from CoraNetSlicerLib.core.form_height import FormHeight


@pytest.fixture
def form(qt_application):
    form = qt.QWidget()
    layout = qt.QVBoxLayout(form)
    label = qt.QLabel("word " * 30)
    label.setWordWrap(True)
    layout.addWidget(label)
    yield form, label
    form.deleteLater()


def test_it_follows_width_and_text(form, process_events):
    widget, label = form
    height = FormHeight(widget)
    widget.resize(600, 50)
    widget.show()
    process_events()
    wide = widget.minimumHeight
    widget.resize(200, 50)
    process_events()
    narrow = widget.minimumHeight
    assert 0 < wide < narrow == unwrap(widget).layout().heightForWidth(200)
    label.setText("word")
    process_events()
    assert widget.minimumHeight < wide
    height.end()
    label.setText("word " * 100)
    process_events()
    assert widget.minimumHeight < wide
