"""Why an installation failed, in words: pip says it in pages."""

from __future__ import annotations

import re

from ..core.translation import _


def likely_cause(log: str, exit_code: int) -> str:
    """The likely cause in a sentence, followed by the last error in the log.

    Args:
        log: what the installation said.
        exit_code: of its process.
    """
    cause = next((text for pattern, text in _causes() if re.search(pattern, log, re.IGNORECASE)), "")
    if not cause and exit_code in (-9, 137):
        cause = _("The system ended the installation, probably because memory ran out; close other programs.")
    last = _last_error(log)
    if not cause:
        cause = _("The installation failed; the log says more.")
    return f"{cause} ({last})" if last else cause


def _last_error(log: str) -> str:
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    # The last line of all is ours and only says that pip failed.
    pips = [line for line in lines if re.match(r"(ERROR|fatal)\b|\w*(Error|Exception): ", line)]
    chosen = pips or lines
    return chosen[-1][:300] if chosen else ""


def _causes() -> list[tuple[str, str]]:
    """Patterns and sentences; the first that fits counts, so what is the consequence of another comes after it."""
    return [*_of_the_disk(), *_of_the_way(), *_of_the_choice()]


def _of_the_disk() -> list[tuple[str, str]]:
    return [
        (
            r"No space left|Errno 28\b|WinError 112|disk full|not enough space",
            _("The disk is full; free some space, or choose a private folder on another disk."),
        ),
        (
            r"Long Path support|WinError 206|File name too long|filename or extension is too long",
            _("A path is too long for this system; choose a private folder with a short path."),
        ),
        (
            r"WinError 225|contains a virus|potentially unwanted",
            _("The virus scanner stopped it; allow Slicer's python there, or ask who looks after this computer."),
        ),
        (
            r"WinError (5|32)\b|Permission denied|PermissionError|Access is denied|cannot be removed",
            _(
                "A file is in use or protected, perhaps by a virus scanner: restart Slicer and install before anything "
                "else, or choose a private folder."
            ),
        ),
    ]


def _of_the_way() -> list[tuple[str, str]]:
    return [
        (
            r"SSLError|SSLEOFError|CERTIFICATE_VERIFY_FAILED|certificate verify failed",
            _(
                "The secure connection was refused, as firewalls and virus scanners do that look into it; ask for an "
                "exception, or install from a folder of wheels."
            ),
        ),
        (
            r"ProxyError|Tunnel connection failed|Proxy Authentication|NewConnectionError|ConnectTimeout"
            r"|getaddrinfo failed|Name or service not known|name resolution|Read timed out"
            r"|Connection (refused|aborted|reset)|URLError",
            _("There is no connection to the internet, or a proxy is in the way; install from a folder of wheels."),
        ),
        (
            r"DO NOT MATCH THE HASHES|IncompleteRead|BadZipFile|incomplete-download",
            _("The download was damaged on its way; try again."),
        ),
    ]


def _of_the_choice() -> list[tuple[str, str]]:
    return [
        (
            r"ResolutionImpossible|conflicting dependencies|incompatible with",
            _("Installed packages contradict each other; a private folder leaves those of Slicer alone."),
        ),
        (
            r"No matching distribution|Could not find a version",
            _("There is no build for this Python and this system; choose another Python or another folder of wheels."),
        ),
        (r"No module named '?pip", _("This Python has no pip; choose another one, or install pip into it.")),
        (
            r"\bMemoryError\b|Cannot allocate memory",
            _("The memory of the computer is full; close other programs and try again."),
        ),
    ]
