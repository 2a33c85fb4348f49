"""Times that no calendar has are unknown ones."""

from __future__ import annotations

import math
import time

import pytest

from coranet.contract.known_time import known_time


@pytest.mark.parametrize("seconds", [1.0, 86400.0, 1.8e9, 2**31, 4.1e9, 2**32 + 1.0, 2.5e11])
def test_a_time_that_a_calendar_has_is_kept(seconds):
    assert known_time(seconds) == seconds
    assert time.strftime("%Y-%m-%d", time.localtime(seconds))


@pytest.mark.parametrize("seconds", [0.0, -0.0, -1.0, -1e15, 2.6e11, 2.0**63, 1e300, math.inf, -math.inf, math.nan])
def test_one_that_it_has_not_is_unknown(seconds):
    assert known_time(seconds) == 0.0
