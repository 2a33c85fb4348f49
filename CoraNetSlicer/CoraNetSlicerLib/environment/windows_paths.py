"""Paths that are too long for Windows, found before gigabytes are downloaded rather than after."""

from __future__ import annotations

import sys
import tempfile

# MAX_PATH without the zero at its end.
_LONGEST_PATH = 259
# PyTorch 2.13 has a licence text 173 characters below the folder of packages; later ones may go deeper.
_DEEPEST_FILE = 180
# pip first unpacks there what it installs into a folder: \pip-target-xxxxxxxx\lib\python\
_UNPACKING = 33


def characters_too_many(folder: str, may_be_long: bool, into_folder: bool = False, platform: str = sys.platform) -> int:
    """By how many characters the files of PyTorch would be too deep below a folder of packages; 0: they fit.

    Args:
        folder: where packages are to be installed.
        may_be_long: both Windows and the program that writes allow paths of any length.
        into_folder: pip unpacks in the folder for temporary files first.
        platform: as sys.platform.
    """
    if platform != "win32" or may_be_long:
        return 0
    lengths = [len(folder)] + ([len(tempfile.gettempdir()) + _UNPACKING] if into_folder else [])
    return max(0, max(lengths) + 1 + _DEEPEST_FILE - _LONGEST_PATH)


def windows_allows_long_paths() -> bool:
    """Whether the switch of Windows is on. PythonSlicer.exe does not heed it; the python.exe of python.org does."""
    try:
        import winreg
    except ImportError:  # not on Windows
        return True
    try:
        path = r"SYSTEM\CurrentControlSet\Control\FileSystem"
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, path) as key:  # type: ignore[attr-defined,unused-ignore]
            return bool(winreg.QueryValueEx(key, "LongPathsEnabled")[0])  # type: ignore[attr-defined,unused-ignore]
    except OSError:
        return False
