"""Inside Slicer there is no torch, perhaps no numpy of the right version: the contract must load without any of it."""

from __future__ import annotations

import subprocess
import sys

import pytest

LOADED_BY_IMPORT = """
import sys
sys.path.insert(0, sys.argv[1])
before = set(sys.modules)
__import__(sys.argv[2])
top = {name.partition(".")[0] for name in set(sys.modules) - before}
print("\\n".join(sorted(top - set(sys.stdlib_module_names) - {"coranet"})))
"""


def modules_loaded_by(module: str, source_root) -> list[str]:
    command = [sys.executable, "-I", "-W", "error", "-c", LOADED_BY_IMPORT, str(source_root), module]
    answer = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout.split()


@pytest.mark.parametrize(
    "module", ["coranet.contract.config", "coranet.contract", "coranet.contract.events", "coranet.contract.errors"]
)
def test_the_contract_loads_nothing_but_the_standard_library(module, repository):
    assert modules_loaded_by(module, repository / "CoraNetSlicer") == []


def test_the_check_sees_what_is_loaded(tmp_path):
    (tmp_path / "heavy.py").write_text("import numpy\n", encoding="utf-8")
    assert "numpy" in modules_loaded_by("heavy", tmp_path)
