"""A signal calls whoever is connected, once, in order, whatever the others do."""

from __future__ import annotations

import logging

import pytest

from CoraNetSlicerLib.core.notification import Signal


@pytest.fixture
def received() -> list:
    return []


def test_all_are_called_in_the_order_in_which_they_were_connected(received):
    signal = Signal()
    for name in ("a", "b", "c"):
        signal.connect(lambda value, name=name: received.append((name, value)))
    signal.send(7)
    assert received == [("a", 7), ("b", 7), ("c", 7)]


def test_without_receivers_nothing_happens():
    Signal().send("anything", 2)


def test_connecting_twice_is_connecting_once(received):
    signal = Signal()
    signal.connect(received.append)
    signal.connect(received.append)
    signal.send(1)
    assert received == [1]


class Receiver:
    def __init__(self) -> None:
        self.heard: list = []

    def hear(self, value) -> None:
        self.heard.append(value)


def test_a_method_is_the_same_receiver_each_time_it_is_asked_for():
    signal, receiver = Signal(), Receiver()
    signal.connect(receiver.hear)
    signal.connect(receiver.hear)
    signal.send(1)
    signal.disconnect(receiver.hear)
    signal.send(2)
    assert receiver.heard == [1]


def test_disconnecting_what_was_never_connected_is_no_error(received):
    Signal().disconnect(received.append)


def test_one_that_fails_is_logged_and_does_not_silence_the_others(received, caplog):
    signal = Signal()
    signal.connect(lambda: 1 / 0)
    signal.connect(lambda: received.append("second"))
    with caplog.at_level(logging.ERROR):
        signal.send()
    assert received == ["second"]
    assert "ZeroDivisionError" in caplog.text


def test_who_leaves_while_it_is_sent_is_still_called_this_time_and_who_comes_is_not(received):
    signal = Signal()

    def second():
        received.append("second")

    def first():
        received.append("first")
        signal.disconnect(second)
        signal.connect(lambda: received.append("late"))

    signal.connect(first)
    signal.connect(second)
    signal.send()
    assert received == ["first", "second"]


def test_a_failure_of_the_interpreter_is_not_swallowed():
    signal = Signal()

    def interrupt():
        raise KeyboardInterrupt

    signal.connect(interrupt)
    with pytest.raises(KeyboardInterrupt):
        signal.send()


def test_one_signal_follows_others_until_it_does_not_any_more():
    shown, first, second, sent = Signal(), Signal(), Signal(), []
    shown.connect(lambda *values: sent.append(values))
    shown.follow(first, second)
    first.send(1)
    second.send()
    shown.unfollow()
    first.send(2)
    assert sent == [(1,), ()]
