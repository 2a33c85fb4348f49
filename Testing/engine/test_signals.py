from __future__ import annotations

import signal
import sys
import threading

import pytest

from coranet.job_process.signals import ending_signals, interrupt_on_signal, stop_on_signal

NUMBERS = [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]
ON_POSIX = pytest.mark.skipif(sys.platform == "win32", reason="Windows knows no signals that ask")


@ON_POSIX
@pytest.mark.parametrize("number", NUMBERS)
def test_a_signal_sets_the_event_and_the_handlers_come_back(number):
    before = [signal.getsignal(number) for number in NUMBERS]
    with stop_on_signal() as requested:
        assert not requested.is_set()
        signal.raise_signal(number)
        assert requested.is_set()
    assert [signal.getsignal(number) for number in NUMBERS] == before


def test_a_second_ctrl_c_interrupts_at_once():
    with pytest.raises(KeyboardInterrupt), stop_on_signal():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)


def test_another_thread_than_the_first_hears_no_signals():
    before = signal.getsignal(signal.SIGINT)
    answers = []

    def work() -> None:
        with stop_on_signal() as requested:
            answers.append((requested.is_set(), signal.getsignal(signal.SIGINT) is before))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert answers == [(False, True)]


@ON_POSIX
def test_whoever_started_with_nohup_wants_it_to_go_on():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stop_on_signal() as requested:
            signal.raise_signal(signal.SIGHUP)
            assert not requested.is_set()
        assert signal.SIGHUP not in ending_signals()
    finally:
        signal.signal(signal.SIGHUP, before)


@ON_POSIX
@pytest.mark.parametrize("number", NUMBERS)
def test_what_runs_others_is_interrupted_by_any_of_them(number):
    before = [signal.getsignal(number) for number in NUMBERS]
    with pytest.raises(KeyboardInterrupt), interrupt_on_signal():
        signal.raise_signal(number)
    assert [signal.getsignal(number) for number in NUMBERS] == before
