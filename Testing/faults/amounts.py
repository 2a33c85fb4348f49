"""How much of the suite runs: all of it (`make faults`) or a sample (`make test`), and what was counted."""

from __future__ import annotations

import os
from collections import Counter
from typing import TypeVar

Amount = TypeVar("Amount")

IS_FULL = os.environ.get("FAULTS") == "full"
FUZZ_SECONDS = float(os.environ.get("FUZZ_SECONDS") or (600 if IS_FULL else 2))

# What was done, for the table at the end of a run.
counts: Counter[str] = Counter()


def amount(full: Amount, sample: Amount) -> Amount:
    """The first in `make faults`, the second elsewhere."""
    return full if IS_FULL else sample
