"""What is wrong with an environment, in a sentence, and the buttons that fix it; a machine in one line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..core.translation import _, sentence
from .environment import InterpreterKind
from .probe import Finding, Health

_TITLES = {"torch": "PyTorch", "monai": "MONAI", "numpy": "NumPy", "scipy": "SciPy"}
_PACKAGES = ("package.broken", "package.too_old", "package.clash")
_WRONG_BUILD = ("device.cpu_build", "device.driver", "device.architecture")


@dataclass(frozen=True)
class Fix:
    """A button.

    `code` is what it does, for `EnvironmentPresenter.fix`: "install", "anew", also with packages ("anew:monai"),
    "extension", "module", "choose:private", "choose:other".
    """

    code: str
    label: str
    tool_tip: str


@dataclass(frozen=True)
class FindingRow:
    """A finding of level "error" or "warning" as it is shown; without fixes where a click can do nothing."""

    level: str
    text: str
    fixes: tuple[Fix, ...] = ()


def titles(names: Iterable[str]) -> str:
    """What people call some packages, as a list in a sentence."""
    texts = [_TITLES.get(name, name) for name in names]
    return texts[0] if len(texts) == 1 else _("{first} and {last}").format(first=", ".join(texts[:-1]), last=texts[-1])


def row_of_no_environment(gib: float) -> FindingRow:
    """The one thing to do at the first start."""
    text = _(
        "CoraNet needs PyTorch and MONAI. Install downloads them into a separate environment, which takes about "
        "{gib} GiB of disk space. Slicer's own packages stay as they are."
    )
    tip = _("Downloads and installs in the background. You can use Slicer meanwhile, and stop it at any time.")
    fix = Fix("install", _("Install"), tip)
    return FindingRow("error", text.format(gib=round(gib)), (fix,))


def rows_of(health: Health, kind: InterpreterKind, has_pytorch_module: bool) -> list[FindingRow]:
    """The findings of the doctor, errors first; missing packages share a row."""
    missing = _missing(health)
    rows = []
    if missing:
        fixes = _fixes_of_packages(missing, kind, has_pytorch_module, are_missing=True)
        rows.append(FindingRow("error", _missing_text(missing), fixes))
    for finding in health.findings:
        if finding.code != "package.missing":
            fixes = _fixes_of(finding, kind, has_pytorch_module)
            texts = [finding.message] if fixes or not finding.fix else [finding.message, finding.fix]
            rows.append(FindingRow(finding.level, " ".join(map(sentence, texts)), fixes))
    return sorted(rows, key=lambda row: row.level != "error")


def _missing(health: Health) -> list[str]:
    return [finding.topic for finding in health.findings if finding.code == "package.missing"]


def _missing_text(names: Sequence[str]) -> str:
    text = _("{packages} is missing.") if len(names) == 1 else _("{packages} are missing.")
    return text.format(packages=titles(names))


def choose_private() -> Fix:
    """The button that changes to an environment of our own."""
    tip = _("Uses PyTorch and MONAI in a separate environment. Slicer's packages stay as they are.")
    return Fix("choose:private", _("Use a separate environment"), tip)


def _fixes_of_packages(
    names: Sequence[str], kind: InterpreterKind, has_pytorch_module: bool, are_missing: bool
) -> tuple[Fix, ...]:
    if kind is InterpreterKind.PRIVATE:
        return (_repair(),)
    if kind is InterpreterKind.SLICER and list(names) != ["monai"]:
        return _fixes_in_slicer("torch" in names, has_pytorch_module)
    if are_missing:
        tip = _("Downloads and installs in the background. What is installed already stays as it is.")
        return (Fix(f"install:{','.join(names)}", _("Install {packages}").format(packages=titles(names)), tip),)
    tip = _("Replaces it by the newest version that fits.")
    return (Fix(f"anew:{names[0]}", _("Install {package} again").format(package=titles(names)), tip),)


def _fixes_of(finding: Finding, kind: InterpreterKind, has_pytorch_module: bool) -> tuple[Fix, ...]:
    if finding.code == "python.too_old" and kind is not InterpreterKind.PRIVATE:
        return (choose_private(),)
    if finding.code in (*_WRONG_BUILD, *_PACKAGES):
        name = "torch" if finding.code in _WRONG_BUILD else finding.topic
        return _fixes_of_packages([name], kind, has_pytorch_module, are_missing=False)
    # The Python of our environment may be gone with the disk or the account that it was on.
    return (_repair(),) if finding.code == "probe.failed" and kind is InterpreterKind.PRIVATE else ()


def _repair() -> Fix:
    tip = _("Removes the environment and makes it again, with the build of PyTorch that fits this computer.")
    return Fix("anew", _("Repair"), tip)


def _fixes_in_slicer(is_of_pytorch: bool, has_pytorch_module: bool) -> tuple[Fix, ...]:
    """Slicer's own packages are left to Slicer; PyTorch comes from its extension."""
    if not is_of_pytorch:
        return (choose_private(),)
    if has_pytorch_module:
        tip = _("Shows the module of the PyTorch extension, which installs PyTorch into Slicer. Then check again here.")
        return choose_private(), Fix("module", _("Open the PyTorch module"), tip)
    tip = _("Installs Slicer's PyTorch extension. Slicer restarts once; then PyTorch can be installed with its module.")
    return choose_private(), Fix("extension", _("Install the PyTorch extension"), tip)


def summary_of(health: Health) -> str:
    """For example "Ready: Python 3.12, PyTorch 2.9 on NVIDIA RTX 4090, 22 of 24 GiB free."."""
    facts = health.facts
    if health.is_well:
        text = _("Ready: Python {python}, PyTorch {torch} on {device}.")
        return text.format(python=_short(facts, "python"), torch=_short(facts, "torch"), device=_device(facts))
    missing = _missing(health)
    if missing:
        return _missing_text(missing)
    message = next((finding.message for finding in health.findings if finding.level == "error"), "")
    return sentence(message)


def _device(facts: Mapping[str, Any]) -> str:
    name = str(facts.get("device", "?"))
    total, free = facts.get("device_gib"), facts.get("device_free_gib")
    if total is None or free is None:
        return name
    return _("{name}, {free} of {total} GiB free").format(name=name, free=round(free), total=round(total))


def _short(facts: Mapping[str, Any], name: str) -> str:
    """A version without its last numbers."""
    return ".".join(str(facts.get(name, "?")).split("+")[0].split(".")[:2])
