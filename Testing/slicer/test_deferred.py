"""Deferred: many requests are one action, later."""

from __future__ import annotations

import pytest
from queued_application import QueuedApplication

from CoraNetSlicerLib.core.deferred import Deferred


@pytest.fixture
def application():
    return QueuedApplication(None)


@pytest.fixture
def done() -> list[int]:
    return []


@pytest.fixture
def deferred(application, done):
    return Deferred(application, lambda: done.append(1))


def test_many_requests_are_one_action_when_the_application_is_idle(deferred, application, done):
    for _ in range(5):
        deferred.request()
    assert done == []
    application.run(0)
    assert done == [1]
    deferred.request()
    application.run(0)
    assert done == [1, 1]


def test_at_rest_is_after_the_last_request(deferred, application, done):
    for _ in range(10):
        deferred.request_at_rest(500)
        application.run(200)
        assert done == []
    application.run(1000)
    assert done == [1]


def test_moving_all_the_time_keeps_one_timer_waiting(deferred, application):
    for _ in range(100):
        deferred.request_at_rest(500)
    assert application.run(3000) == 2


def test_after_close_nothing_is_done(deferred, application, done):
    deferred.request()
    deferred.request_at_rest(100)
    deferred.close()
    deferred.request()
    deferred.request_at_rest(100)
    application.run()
    assert done == []
