from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from patience import PATIENCE_S

from coranet.background import Background
from coranet.contract.errors import DataError, JobCancelled


def test_the_result_is_that_of_the_work():
    assert Background(lambda: 6 * 7).result() == 42


def test_an_error_of_the_work_is_raised_where_it_is_waited_for():
    def fail() -> None:
        raise DataError("no such scan.")

    work = Background(fail)
    with pytest.raises(DataError, match="no such scan"):
        work.result()


def test_work_goes_on_in_a_thread_while_it_is_asked_whether_to_stop():
    may_end, threads = threading.Event(), []

    def ask() -> None:
        threads.append(threading.current_thread())
        if len(threads) == 2:
            may_end.set()

    assert Background(lambda: (may_end.wait(PATIENCE_S), threading.current_thread())[1]).result(ask) not in threads
    assert set(threads) == {threading.current_thread()}


def test_work_that_takes_long_is_abandoned_and_does_not_hold_the_process():
    may_end = threading.Event()
    work = Background(lambda: may_end.wait(PATIENCE_S))

    def stop() -> None:
        raise JobCancelled("stopped on request.")

    with pytest.raises(JobCancelled):
        work.result(stop)
    assert work._thread.daemon and work._thread.is_alive()
    may_end.set()
    assert work.result() is True


@pytest.mark.parametrize("is_abandoned", [True, False])
def test_a_process_ends_with_its_code_whatever_was_abandoned(is_abandoned):
    program = (
        "import sys, time; sys.path.insert(0, sys.argv[1])\n"
        "from coranet.background import Background, end_process\n"
        "work = Background(lambda: time.sleep(600 if sys.argv[2] == 'True' else 0))\n"
        "if sys.argv[2] != 'True': work.result()\n"
        "import atexit; atexit.register(lambda: print('taken down'))\n"
        "print('told'); end_process(5)\n"
    )
    args = [sys.executable, "-c", program, str(Path(__file__).parents[2] / "CoraNetSlicer"), str(is_abandoned)]
    process = subprocess.run(args, capture_output=True, text=True, check=False)
    assert process.returncode == 5 and process.stdout.split("\n")[0] == "told"
    assert ("taken down" in process.stdout) is not is_abandoned
