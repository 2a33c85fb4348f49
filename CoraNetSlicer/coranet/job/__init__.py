"""The job directory: the only contract between Slicer and the engine. Standard library only."""

from .datalist import Case, Datalist, Label, Role
from .directory import Job, JobKind, JobStatus
from .files import read_json, write_json_atomic
from .process import ProcessIdentity, is_alive, terminate_tree

__all__ = [
    "Case",
    "Datalist",
    "Job",
    "JobKind",
    "JobStatus",
    "Label",
    "ProcessIdentity",
    "Role",
    "is_alive",
    "read_json",
    "terminate_tree",
    "write_json_atomic",
]
