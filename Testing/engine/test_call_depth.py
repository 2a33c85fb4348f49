"""How many calls lie between the command line and the step of a method: what a reader has to follow."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from small_jobs import call, settings

from coranet.command_line import cli
from coranet.methods import METHODS

ENGINE = Path(cli.__file__).parent
# From `main` to `self_train`, both counted, without the frames of torch. The number may only become smaller.
MOST_CALLS = 8


@pytest.mark.slow
def test_few_calls_lead_from_the_command_line_to_a_step(a_phantom_set, tmp_path, monkeypatch):
    chains: list[list[str]] = []
    method = METHODS["coranet"]
    real = method.self_train

    def traced(*args):
        frame, chain = sys._getframe(1), ["self_train"]
        while frame.f_code is not cli.main.__code__:
            if Path(frame.f_code.co_filename).is_relative_to(ENGINE):
                chain.append(frame.f_code.co_name)
            frame = frame.f_back
        chains.append([*chain, "main"][::-1])
        return real(*args)

    monkeypatch.setattr(method, "self_train", traced)
    arguments = settings(training__pretraining_steps="1", training__self_training_steps="1")
    assert call("train", a_phantom_set, "--output", tmp_path / "job", *arguments) == 0
    assert chains and all(len(chain) <= MOST_CALLS for chain in chains), chains[0]
