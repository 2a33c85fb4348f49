"""Why an installation failed, in a sentence: uv and pip explain it in pages."""

from __future__ import annotations

import re

from ..core.translation import _


def likely_cause(log: str, exit_code: int) -> str:
    """The likely cause in a sentence, followed by the last error in the log.

    Args:
        log: what the installation printed.
        exit_code: of its process.
    """
    cause = next((text for pattern, text in _causes() if re.search(pattern, log, re.IGNORECASE)), "")
    if not cause and exit_code in (-9, 137):
        cause = _("The system ended the installation, probably because memory ran out; close other programs.")
    last = _last_error(log)
    cause = cause or _("The installation failed; the log says more.")
    return f"{cause} ({last})" if last else cause


def _last_error(log: str) -> str:
    lines = [line.strip(" \t\u2502") for line in log.splitlines() if line.strip()]
    # The last line of all is ours and only says that uv or pip failed.
    errors = [line for line in lines if re.match(r"(error: (?!uv |pip )|ERROR\b|\u00d7|Caused by: |\w+Error: )", line)]
    chosen = errors or lines
    return chosen[-1][:300] if chosen else ""


def _causes() -> list[tuple[str, str]]:
    """Patterns and sentences; the first that fits counts, so what is the consequence of another comes after it."""
    return [
        (
            r"No space left|os error (28|112)\b|Errno 28\b|WinError 112",
            _("The disk is full; free some space, or choose an environment folder on another disk."),
        ),
        (
            r"os error 206|WinError 206|File name too long|Long Path support",
            _("A path is too long for this system; choose an environment folder with a short path."),
        ),
        (
            r"os error (5|13|32)\b|WinError (5|32)\b|Permission denied|Access is denied",
            _("A file is in use or protected, perhaps by a virus scanner; restart Slicer and install again."),
        ),
        (
            r"invalid peer certificate|UnknownIssuer|CERTIFICATE_VERIFY_FAILED|certificate verify failed",
            _(
                "The secure connection was refused, as by a firewall that looks into it; ask for an exception, or "
                "install from a folder of wheels."
            ),
        ),
        (
            r"dns error|error sending request|client error \(Connect\)|Could not connect|timed out|ProxyError"
            r"|NewConnectionError|name resolution|getaddrinfo failed",
            _("There is no connection to the internet, or a proxy is in the way; install from a folder of wheels."),
        ),
        (
            r"No interpreter found|No download found|No virtual environment found",
            _("There is no Python 3.10 to 3.13 for it; install one from python.org, or choose another Python."),
        ),
        (
            r"No solution found|No matching distribution|no wheels with a matching",
            _("There is no build for this Python and this system; choose another Python or another folder of wheels."),
        ),
        (
            r"externally managed",
            _("The system manages the packages of this Python; choose the Python of a virtual environment."),
        ),
    ]
