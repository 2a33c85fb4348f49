"""What Slicer's PyTorch extension would install.

It is asked, and not let do it: Slicer would stand still for the whole download, and load PyTorch at its end.
"""

from __future__ import annotations

import ast
import inspect
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

_LOG = logging.getLogger(__name__)
_REQUIREMENT = ">=2.2"


@dataclass(frozen=True)
class TorchChoice:
    """What to ask for.

    Attributes:
        words: for light-the-torch, for example ("torch>=2.2", "numpy<2").
        light_the_torch: for pip, to get light-the-torch itself; "": the usual one.
    """

    words: tuple[str, ...] = (f"torch{_REQUIREMENT}",)
    light_the_torch: str = ""


def torch_choice(extension: Any) -> TorchChoice:
    """What the extension chooses for this computer.

    Its functions have changed their arguments before, so each is asked by the names that it knows, and none must exist.

    Args:
        extension: the module PyTorchUtils; None: it is not installed.
    """
    logic = getattr(extension, "PyTorchUtilsLogic", None)
    return TorchChoice(_words(logic), _light_the_torch(extension))


def _words(logic: Any) -> tuple[str, ...]:
    usual = TorchChoice().words
    resolve = getattr(logic, "_getPipInstallArguments", None)
    if resolve is None:
        return usual
    wanted = {"torchVersionRequirement": _REQUIREMENT, "forceComputationBackend": None}
    try:
        known = inspect.signature(resolve).parameters
        given = resolve(**{name: value for name, value in wanted.items() if name in known})
        words = [str(word) for word in given if str(word) != "install" and not str(word).startswith("torchvision")]
    except Exception:  # noqa: BLE001 - it is not ours; what it chose is a help, no need
        _LOG.warning("the PyTorch extension could not be asked for its choice", exc_info=True)
        return usual
    if not any(word.startswith("torch") for word in words):
        return usual
    return tuple(f"torch{_REQUIREMENT}" if word == "torch" else word for word in words)


def _light_the_torch(extension: Any) -> str:
    """The source from which the extension takes light-the-torch: often newer than the published one."""
    path = getattr(extension, "__file__", None)
    if not path:
        return ""
    try:
        tree = ast.parse(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, SyntaxError):
        return ""
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    inside = [one for one in functions if one.name == "_installLightTheTorch"]
    found = [_first_text(call) for one in inside for call in ast.walk(one) if isinstance(call, ast.Call)]
    return next((text for text in found if text and "light" in text), "")


def _first_text(call: ast.Call) -> Optional[str]:
    first = call.args[0] if call.args else None
    value = getattr(first, "value", None)
    return value if isinstance(value, str) else None
