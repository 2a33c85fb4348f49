"""Entry of the engine: ``python -m coranet ...``, or this file by its path, as Slicer does."""

import sys
from pathlib import Path

if __package__ in (None, ""):
    # Started by its path: Python has put this folder on the path, where our modules would hide others by their names.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from coranet.cli import main

if __name__ == "__main__":
    sys.exit(main())
