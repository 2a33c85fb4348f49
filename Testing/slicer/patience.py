"""How long a test waits for what another process does before it says that this will never come.

No test is about speed. This is far more than a machine needs that is slow and busy with other things, and less than
somebody wants to wait for a test that hangs.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

PATIENCE_S = float(os.environ.get("CORANET_TEST_PATIENCE_S", "1800"))


def wait_until(condition: Callable[[], bool], seconds: float = PATIENCE_S) -> None:
    """Wait for something that another process does."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds} s in vain")
        time.sleep(0.02)
