"""The job directory: the only contract between Slicer and the engine. Standard library only."""

from .case_names import unique_case_names
from .datalist import Case, Datalist, Label, Role
from .directory import Job, JobKind, JobStatus
from .files import read_json, write_json_atomic
from .image_files import find_images, image_name, is_image_file
from .prediction_files import PredictionFiles
from .process import ProcessIdentity, is_alive, terminate_tree

__all__ = [
    "Case",
    "Datalist",
    "Job",
    "JobKind",
    "JobStatus",
    "Label",
    "PredictionFiles",
    "ProcessIdentity",
    "Role",
    "find_images",
    "image_name",
    "is_alive",
    "is_image_file",
    "read_json",
    "terminate_tree",
    "unique_case_names",
    "write_json_atomic",
]
