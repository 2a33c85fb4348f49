"""Entry of the engine: ``python -m coranet ...``, or this file by its path, as Slicer does."""

import os
import sys
from pathlib import Path

if __package__ in (None, ""):
    # Started by its path: Python has put this folder on the path, where our modules would hide others by their names.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

# Waiting threads sleep instead of spinning: Slicer and its user need the processor at the same time.
# OpenMP reads this when torch is loaded, so it has to be set before.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

if __name__ == "__main__":
    if sys.version_info < (3, 10):  # noqa: UP036 - it says so
        from coranet.setup.doctor import main_of_an_old_python

        sys.exit(main_of_an_old_python(sys.argv[1:]))
    try:
        from coranet.background import end_process
        from coranet.command_line.cli import main

        end_process(main())
    except KeyboardInterrupt:
        # Ctrl-C before the command line listens, or while it ends.
        sys.exit(130)
