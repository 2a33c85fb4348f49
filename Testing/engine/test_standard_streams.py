"""The terminal is not part of the work: it may be closed, or go, or lack letters, and nothing of that is an error."""

from __future__ import annotations

import errno
import io
import os
import subprocess
import sys
import threading

import pytest
from small_jobs import ENGINE, environment, settings

from coranet.command_line import cli
from coranet.command_line.standard_streams import TolerantStream, tolerant_streams
from coranet.contract import Job, JobStatus
from coranet.contract.errors import DataError

ON_POSIX = pytest.mark.skipif(sys.platform == "win32", reason="a shell that closes descriptors is POSIX's")


class FailingStream(io.StringIO):
    """Nobody reads any more."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def write(self, text: str) -> int:
        raise self.error

    flush = isatty = lambda self: self.write("")


GONE = [
    BrokenPipeError(errno.EPIPE, "Broken pipe"),
    OSError(errno.EIO, "Input/output error"),
    OSError(errno.ENOSPC, "No space left on device"),
    OSError(errno.EBADF, "Bad file descriptor"),
    ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"),
    ValueError("I/O operation on closed file"),
]


@pytest.mark.parametrize("error", GONE, ids=lambda error: str(error)[:30])
def test_what_cannot_be_said_is_dropped(error):
    stream = TolerantStream(FailingStream(error))
    assert not stream.isatty()
    assert stream.write("lost") == 4
    stream.flush()
    assert stream.write("lost, too") == 9


def test_there_may_be_no_stream_at_all():
    stream = TolerantStream(None)
    assert stream.write("lost") == 4 and not stream.isatty()
    stream.flush()
    with pytest.raises(AttributeError):
        stream.fileno()


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp437", "utf-8", "utf-16"])
@pytest.mark.parametrize("text", ["Müller", "心臓", "Läsion ☂", os.fsdecode(b"M\xfcller")])
def test_a_letter_that_the_console_lacks_is_a_number(encoding, text):
    raw = io.BytesIO()
    stream = TolerantStream(io.TextIOWrapper(raw, encoding=encoding))
    stream.write(text)
    stream.flush()
    assert raw.getvalue().decode(encoding) == text.encode(encoding, "backslashreplace").decode(encoding)


def test_an_error_in_a_thread_is_no_traceback(capfd):
    def fail() -> None:
        raise ValueError("in a thread")

    with tolerant_streams():
        thread = threading.Thread(target=fail)
        thread.start()
        thread.join()
    assert capfd.readouterr().err == ""


def test_the_streams_come_back():
    before = sys.stdout, sys.stderr, threading.excepthook
    with tolerant_streams():
        assert sys.stdout is not before[0]
    assert (sys.stdout, sys.stderr, threading.excepthook) == before


# What goes wrong inside a command -> exit code and words.
UNFORESEEN = [
    (ValueError("odd"), 70, "an unexpected error (ValueError: odd)"),
    (KeyError("mood"), 70, "an unexpected error (KeyError: 'mood')"),
    (RecursionError("too deep"), 70, "RecursionError"),
    (UnicodeEncodeError("utf-8", "\udcfc", 0, 1, "surrogates not allowed"), 70, "surrogates not allowed"),
    (AssertionError(), 70, "AssertionError: without a reason"),
    (MemoryError(), 1, "this machine does not have enough memory"),
    (RuntimeError("can't start new thread"), 1, "this machine does not have enough memory"),
    (
        ImportError("_ckdtree.so: failed to map segment from shared object"),
        1,
        "this machine does not have enough memory",
    ),
    (OSError(12, "Cannot allocate memory"), 1, "this machine does not have enough memory"),
    (FileNotFoundError(2, "No such file or directory", "a.nrrd"), 7, "'a.nrrd' cannot be used (No such file"),
    (PermissionError(13, "Permission denied", "a.nrrd"), 7, "Permission denied"),
    (OSError("odd"), 7, "the system refused (odd)"),
    (ModuleNotFoundError("No module named 'monai'", name="monai"), 8, "the package 'monai' is missing"),
    (DataError("'a.nrrd' is empty."), 3, "error: 'a.nrrd' is empty."),
]


@pytest.mark.parametrize(("error", "code", "message"), UNFORESEEN, ids=lambda value: type(value).__name__)
def test_whatever_goes_wrong_is_one_sentence(monkeypatch, capsys, error, code, message):
    def fail(options) -> int:
        raise error

    monkeypatch.delenv(cli.TRACEBACK, raising=False)
    monkeypatch.setattr(cli, "_doctor", fail)
    assert cli.main(["doctor"]) == code
    output = capsys.readouterr().err
    assert message in output and output.startswith("error: ") and output.count("\n") == 1 and "Traceback" not in output


def test_whoever_looks_for_the_cause_can_see_it(monkeypatch, capsys):
    def fail(options) -> int:
        raise ValueError("odd")

    monkeypatch.setenv(cli.TRACEBACK, "1")
    monkeypatch.setattr(cli, "_doctor", fail)
    assert cli.main(["doctor"]) == 70
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("missing", [("stdout",), ("stderr",), ("stdout", "stderr"), ("stdin", "stdout", "stderr")])
def test_a_program_without_a_console_works(monkeypatch, tmp_path, missing):
    """pythonw has none of them."""
    for name in missing:
        monkeypatch.setattr(sys, name, None)
    few = ("--labeled", "1", "--unlabeled", "0", "--validation", "0", "--test", "0")
    assert cli.main(["phantom", str(tmp_path / "scans"), *few]) == 0
    assert (tmp_path / "scans" / "dataset.json").is_file()
    assert cli.main(["regions", str(tmp_path)]) != 0


# How a shell may start `coranet phantom`, and the exit code that the shell then tells.
SHELLS = {
    "stderr closed": ("{engine} phantom {folder} {few} 2>&-", 0),
    "stdout closed": ("{engine} phantom {folder} {few} >&-", 0),
    "all closed": ("{engine} phantom {folder} {few} <&- >&- 2>&-", 0),
    "nobody reads": ("{engine} phantom {folder} {few} | true; exit ${{PIPESTATUS[0]}}", 0),
    "head reads": ("{engine} phantom {folder} {few} | head -c 1 > /dev/null; exit ${{PIPESTATUS[0]}}", 0),
    "errors to nobody": ("{engine} regions {folder}/absent 2> >(true); exit $?", 5),
    "errors closed": ("{engine} regions {folder}/absent 2>&-", 5),
    "help to nobody": ("{engine} --help | true; exit ${{PIPESTATUS[0]}}", 0),
    "full disk": ("{engine} phantom {folder} {few} > /dev/full", 0),
    "full disk for both": ("{engine} phantom {folder} {few} > /dev/full 2> /dev/full", 0),
    "no home": ("unset HOME; {engine} phantom {folder} {few}", 0),
    "a home that is not there": ("HOME=/nothing/here {engine} phantom {folder} {few}", 0),
    "no temporary folder": ("TMPDIR=/nothing/here {engine} phantom {folder} {few}", 0),
    "a terminal without columns": ("COLUMNS=0 LINES=0 TERM=dumb {engine} phantom {folder} {few}", 0),
    "columns in words": ("COLUMNS=wide {engine} --help", 0),
    "no docstrings": ("PYTHONOPTIMIZE=2 {engine} phantom {folder} {few}", 0),
    "help without docstrings": ("PYTHONOPTIMIZE=2 {engine} segment --help", 0),
    "warnings are errors": ("PYTHONWARNINGS=error {engine} phantom {folder} {few}", 0),
    "an unknown language": ("LC_ALL=xx_XX.UTF-8 {engine} phantom {folder} {few}", 0),
    "an unknown time zone": ("TZ=Mars/Olympus {engine} phantom {folder} {few}", 0),
    "threads in words": ("OMP_NUM_THREADS=many {engine} phantom {folder} {few}", 0),
    "a working folder that is gone": ("mkdir -p {folder}/x; cd {folder}/x; rmdir {folder}/x; {engine} doctor", 7),
    "another locale": ("LC_ALL=C PYTHONUTF8=0 PYTHONCOERCECLOCALE=0 {engine} phantom {folder}/Müller {few}", 0),
}


@ON_POSIX
@pytest.mark.slow
@pytest.mark.parametrize(("line", "code"), SHELLS.values(), ids=SHELLS.keys())
def test_a_shell_may_close_what_it_wants(tmp_path, line, code):
    if line.startswith("LC_ALL=") and not sys.prefix.isascii():
        pytest.skip("in such a locale Python itself does not find the packages of an environment in this folder")
    few = "--labeled 1 --unlabeled 0 --validation 0 --test 0"
    command = line.format(engine=f"'{sys.executable}' '{ENGINE}'", folder=f"'{tmp_path}/Ä 1'", few=few)
    inherited = {name: value for name, value in environment().items() if name != "PYTHONUTF8"}
    process = subprocess.run(["bash", "-c", command], capture_output=True, env=inherited, check=False)
    output = (process.stdout + process.stderr).decode("utf-8", errors="replace")
    assert process.returncode == code, output
    assert "Traceback" not in output and "Exception ignored" not in output
    if " phantom " in command:
        assert len(list(tmp_path.rglob("dataset.json"))) == 1


@ON_POSIX
def test_what_is_opened_next_does_not_get_the_number_of_a_closed_stream(tmp_path):
    program = (
        "import os, sys; sys.path.insert(0, sys.argv[1])\n"
        "from coranet.command_line.standard_streams import tolerant_streams\n"
        "with tolerant_streams():\n"
        "    sys.exit(0 if os.open(sys.argv[2], os.O_CREAT | os.O_RDWR) > 2 else 1)\n"
    )
    command = f"'{sys.executable}' -c '{program}' '{ENGINE.parents[1]}' '{tmp_path}/file' <&- >&- 2>&-"
    assert subprocess.run(["bash", "-c", command], check=False).returncode == 0


@pytest.mark.parametrize(
    ("platform", "utf8_mode", "encoding", "again"),
    [
        ("linux", 0, "utf-8", False),
        ("linux", 0, "ascii", True),
        ("linux", 1, "ascii", False),
        ("darwin", 0, "UTF-8", False),
        ("win32", 0, "mbcs", False),
    ],
)
def test_a_locale_without_utf8_is_left(monkeypatch, platform, utf8_mode, encoding, again):
    commands = []
    monkeypatch.setattr(cli.os, "execv", lambda program, args: commands.append(args))
    monkeypatch.setattr(cli.sys, "platform", platform)
    monkeypatch.setattr(cli.sys, "flags", type("Flags", (), {"utf8_mode": utf8_mode}))
    monkeypatch.setattr(cli.sys, "getfilesystemencoding", lambda: encoding)
    monkeypatch.setattr(cli.sys, "orig_argv", ["python", "-m", "coranet", "doctor"])
    cli._require_utf8_names()
    assert commands == ([[sys.executable, "-X", "utf8", "-m", "coranet", "doctor"]] if again else [])


# Makes the terminal its parent_end, as a login shell does, and becomes the engine.
IN_A_TERMINAL_OF_ITS_OWN = """
import fcntl, os, signal, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
if sys.argv[1] == "nohup":
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
"""


@ON_POSIX
@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "code", "status"), [("plain", 130, JobStatus.CANCELLED), ("nohup", 0, JobStatus.FINISHED)]
)
def test_a_terminal_that_goes_leaves_a_checkpoint_or_with_nohup_a_model(a_phantom_set, tmp_path, how, code, status):
    """A lost ssh session: the kernel sends SIGHUP, and from then on each write to the terminal fails."""
    parent_end, child_end = os.openpty()
    steps = settings(training__pretraining_steps="300", training__self_training_steps="0")
    args = [str(ENGINE), "train", str(a_phantom_set), "--output", str(tmp_path / "job"), *steps]
    process = subprocess.Popen(
        [sys.executable, "-c", IN_A_TERMINAL_OF_ITS_OWN, how, *args],
        stdin=child_end, stdout=child_end, stderr=child_end, env=environment(), start_new_session=True,
    )  # fmt: skip
    try:
        os.close(child_end)
        output = b""
        while b"pretraining" not in output:
            output += os.read(parent_end, 65536)
    finally:
        os.close(parent_end)
    assert process.wait() == code
    job = Job.open(tmp_path / "job")
    assert job.status() is status
    assert job.last_checkpoint_path.is_file() and "Traceback" not in job.log_path.read_text(encoding="utf-8")
