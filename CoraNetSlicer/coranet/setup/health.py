"""The state of a machine as far as CoraNet needs it: facts, and what is wrong."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        level: "error" (nothing will work) or "warning".
        topic: what it is about: a package's name, "python", "device", "disk".
        message: what is wrong.
        fix: how to fix it.
        code: what is wrong, for programs; docs/reference/doctor.md lists them.
    """

    level: str
    topic: str
    message: str
    fix: str
    code: str = ""


@dataclass
class Health:
    """What was found out."""

    facts: dict[str, Any] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    @property
    def is_well(self) -> bool:
        """Whether training and segmentation can work."""
        return all(finding.level != "error" for finding in self.findings)

    def has_error(self, topic: str) -> bool:
        """Whether nothing will work because of this topic."""
        return any(finding.level == "error" and finding.topic == topic for finding in self.findings)

    def error(self, topic: str, code: str, message: str, fix: str) -> None:
        """Note something without which nothing works."""
        self.findings.append(Finding("error", topic, message, fix, code))

    def warn(self, topic: str, code: str, message: str, fix: str) -> None:
        """Note something that makes work slow or doubtful."""
        self.findings.append(Finding("warning", topic, message, fix, code))

    def to_json(self) -> str:
        """For programs: is_well, facts, findings."""
        content = {
            "is_well": self.is_well,
            "facts": self.facts,
            "findings": [asdict(finding) for finding in self.findings],
        }
        return json.dumps(content, indent=1, ensure_ascii=False) + "\n"
