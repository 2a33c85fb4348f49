"""Runs the tests in forks of the process that has collected them: `pytest --in-forks`.

Tests are collected once, and libraries are imported once, whatever the number of processes. Some tests wait for other
processes, so there is one fork more than there are processors. Where a system cannot fork safely, the tests run in one
process. `make test` uses pytest-xdist instead: its slow tests need processes that share nothing.
"""

from __future__ import annotations

import importlib
import json
import mmap
import os
import selectors
import signal
import struct
import sys
from collections.abc import Iterator
from itertools import groupby
from typing import Any

import pytest

# The number of a group in the pipe of all groups: so few bytes are read at once, or not at all.
_NUMBER = struct.Struct("=I")
# Where PyTorch is needed, its optimizers and the metrics import these when they are first used: once, not in each fork.
_IMPORTED_LATE = ("torch._dynamo", "monai.metrics")
# What takes long to make is made in one fork: the syntax trees of all source files, and a trained model.
_FOLDER_TOGETHER, _FIXTURE_TOGETHER = "contracts", "a_trained_job"


def pytest_addoption(parser: pytest.Parser) -> None:
    """The option that asks for forks."""
    parser.addoption("--in-forks", action="store_true", help="run the test files in several forks (on Linux)")


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Run all tests in forks; None: pytest runs them itself."""
    config = session.config
    is_asked_for = config.getoption("in_forks", False) and not config.option.collectonly and not session.testsfailed
    if not is_asked_for or sys.platform != "linux":
        return None
    for name in _IMPORTED_LATE if "torch" in sys.modules else ():
        importlib.import_module(name)
    config.get_terminal_writer().flush()
    terminal = config.pluginmanager.getplugin("terminalreporter")
    if terminal is not None:
        terminal.showfspath = False  # results of several files come at a time
    # All forks share the folder, and this process removes it at the end.
    config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]
    _Run(session).run()
    return True


def _groups(items: list[pytest.Item]) -> list[list[pytest.Item]]:
    """The tests that run in one fork, in the order in which the groups begin: those of a file, or of several."""
    groups: dict[object, list[pytest.Item]] = {}
    for path, grouped in groupby(items, key=lambda item: item.path):
        of_file = list(grouped)
        key: object = path
        if path.parent.name == _FOLDER_TOGETHER:
            key = _FOLDER_TOGETHER
        elif any(_FIXTURE_TOGETHER in getattr(item, "fixturenames", ()) for item in of_file):
            key = _FIXTURE_TOGETHER
        groups.setdefault(key, []).extend(of_file)
    return list(groups.values())


class _Fork:
    """A process that runs test files, as the one that has collected them sees it."""

    def __init__(self, session: pytest.Session, groups: list[list[pytest.Item]], numbers: int) -> None:
        self._at = mmap.mmap(-1, _NUMBER.size)
        self.output, output = os.pipe()
        self.pid = os.fork()
        if not self.pid:
            os.close(self.output)
            code = 1
            try:
                _run_groups(session, groups, numbers, (output, self._at))
                code = 0
            finally:
                os._exit(code)
        os.close(output)
        self.unread = b""

    def item(self, session: pytest.Session) -> pytest.Item:
        """The test that runs."""
        return session.items[_NUMBER.unpack_from(self._at)[0]]

    def reports(self) -> list[str] | None:
        """What has come; None: the process has ended."""
        received = os.read(self.output, 1 << 16)
        *lines, self.unread = (self.unread + received).split(b"\n")
        return [line.decode("utf-8") for line in lines] if received else None


class _Run:
    """All tests of a session in forks."""

    def __init__(self, session: pytest.Session) -> None:
        self._session = session
        self._groups = _groups(session.items)
        self._waiting = selectors.DefaultSelector()
        self._forks: list[_Fork] = []

    def run(self) -> None:
        """Fork, and pass on what comes."""
        numbers, filled = os.pipe()
        os.write(filled, b"".join(map(_NUMBER.pack, range(len(self._groups)))))
        os.close(filled)
        try:
            for _ in range((os.cpu_count() or 1) + 1):
                self._forks.append(_Fork(self._session, self._groups, numbers))
                self._waiting.register(self._forks[-1].output, selectors.EVENT_READ, self._forks[-1])
            while self._waiting.get_map():
                for key, _ in self._waiting.select():
                    self._read(key.data)
        finally:
            for fork in self._forks:
                os.kill(fork.pid, signal.SIGKILL)
                os.waitpid(fork.pid, 0)
            os.close(numbers)

    def _read(self, fork: _Fork) -> None:
        config = self._session.config
        reports = fork.reports()
        if reports is None:
            self._waiting.unregister(fork.output)
            self._forks.remove(fork)
            _, status = os.waitpid(fork.pid, 0)
            if status:
                config.hook.pytest_runtest_logreport(report=_ended(fork.item(self._session), status))
            return
        for line in reports:
            report = config.hook.pytest_report_from_serializable(config=config, data=json.loads(line))
            if isinstance(report.longrepr, list):
                report.longrepr = tuple(report.longrepr)  # where and why a test was skipped; JSON has no tuples
            config.hook.pytest_runtest_logreport(report=report)
            if self._session.shouldfail:
                raise self._session.Failed(self._session.shouldfail)


def _ended(item: pytest.Item, status: int) -> pytest.TestReport:
    """The report of a test that has ended its process."""
    code = os.waitstatus_to_exitcode(status)
    text = f"the process ended with code {code}; the tests after this one in its group were not run"
    return pytest.TestReport(item.nodeid, item.location, {}, "failed", text, "call")


def _run_groups(
    session: pytest.Session, groups: list[list[pytest.Item]], numbers: int, results: tuple[int, mmap.mmap]
) -> None:
    """In a fork: run one group of tests after the other until none is left, and send the reports."""
    output, at = results
    config, plugins = session.config, session.config.pluginmanager
    plugins.unregister(name="terminalreporter")
    plugins.register(_Sender(config, output))
    # The file into which output is captured is that of all forks, and so is the place in it.
    capture = plugins.getplugin("capturemanager")
    if capture is not None:
        capture.stop_global_capturing()
        capture.start_global_capturing()
    places = {item: number for number, item in enumerate(session.items)}
    items = _items(groups, numbers)
    item = next(items, None)
    while item is not None:
        following = next(items, None)
        _NUMBER.pack_into(at, 0, places[item])
        config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        item = following


def _items(groups: list[list[pytest.Item]], numbers: int) -> Iterator[pytest.Item]:
    while number := os.read(numbers, _NUMBER.size):
        yield from groups[_NUMBER.unpack(number)[0]]


class _Sender:
    """Sends the reports that count: those of calls, and of what has failed or was skipped around them."""

    def __init__(self, config: pytest.Config, output: int) -> None:
        self._config = config
        self._output = output

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.when == "call" or not report.passed:
            content = self._config.hook.pytest_report_to_serializable(config=self._config, report=report)
            line = json.dumps(content).encode("utf-8") + b"\n"
            while line:
                line = line[os.write(self._output, line) :]
