"""The job directory: the only contract between Slicer and the engine. Standard library only."""

from .case_names import case_name, unique_case_names
from .case_ranking import CaseUncertainty, case_uncertainty, rank_cases
from .channels import by_channel, listed, names_of
from .datalist import Case, Datalist, Label, Role
from .dataset_folders import find_cases, read_datalist, read_input_cases
from .deletion import delete_job, job_size
from .directory import Job
from .doubt import CaseDoubt, CasePromise, CaseQuality, ErrorModelCard, Promise
from .event_tail import read_last_event, read_last_events
from .files import read_json, write_json_atomic
from .image_files import FolderScans, find_images, image_name, is_image_file, scans_in
from .image_headers import ImageHeader, read_image_header
from .input_list import input_list
from .label_maps import is_label_map
from .model_card import EarlierModel, ModelCard
from .prediction_files import PredictionFiles
from .process import ProcessIdentity, is_alive, terminate_tree
from .region_list import Region, RegionList
from .review import Choice, Decision, Review
from .scan_identity import ScanIdentity
from .slide import Slide
from .status import JobKind, JobStatus

__all__ = [
    "Case",
    "CaseDoubt",
    "CasePromise",
    "CaseQuality",
    "CaseUncertainty",
    "Choice",
    "Datalist",
    "Decision",
    "EarlierModel",
    "ErrorModelCard",
    "FolderScans",
    "ImageHeader",
    "Job",
    "JobKind",
    "JobStatus",
    "Label",
    "ModelCard",
    "PredictionFiles",
    "ProcessIdentity",
    "Promise",
    "Region",
    "RegionList",
    "Review",
    "Role",
    "ScanIdentity",
    "Slide",
    "by_channel",
    "case_name",
    "case_uncertainty",
    "find_cases",
    "delete_job",
    "find_images",
    "image_name",
    "input_list",
    "is_alive",
    "is_image_file",
    "is_label_map",
    "read_datalist",
    "read_image_header",
    "read_input_cases",
    "job_size",
    "listed",
    "names_of",
    "read_json",
    "read_last_event",
    "read_last_events",
    "rank_cases",
    "scans_in",
    "terminate_tree",
    "unique_case_names",
    "write_json_atomic",
]
