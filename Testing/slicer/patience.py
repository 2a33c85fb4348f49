"""How long a test waits for what another process does before it says that this will never come.

No test is about speed. This is far more than a machine needs that is slow and busy with other things, and less than
somebody wants to wait for a test that hangs.
"""

from __future__ import annotations

import os

PATIENCE_S = float(os.environ.get("CORANET_TEST_PATIENCE_S", "1800"))
