"""Real volumes in clinical formats: each is segmented, and every result lies voxel for voxel on the scan's own grid."""

from __future__ import annotations

from pathlib import Path

import pytest

from coranet.contract import Datalist, Job, JobKind, input_list
from coranet.contract.config import InferenceConfig, MachineConfig, SegmentConfig
from coranet.contract.errors import DataError
from coranet.segmentation import run_segmentation_job
from coranet.volume import read_grid, read_image

IMAGES = (
    "nifti/prostatex_0000.nii.gz", "nifti/ts_example_ct.nii.gz", "nifti/ts_example_ct_sm.nii.gz",
    "nifti/ts_example_mr_sm.nii.gz", "nifti/nv_CT_pitch.nii.gz", "nifti/nv_MR_Gd.nii.gz", "nifti/nv_fmri_pitch.nii.gz",
    "nifti/ts_pulm_ct_cropped.nii.gz", "nifti/monai_anatomical.nii", "nifti/monai_reoriented_anat_moved.nii",
    "nrrd/pr_brain1_image.nrrd", "nrrd/pr_breast1_image.nrrd", "nrrd/pr_prostate_phantom_subvolume.nrrd",
    "mha/ex_3DCT_lung.mha", "dicom/mr-t1post-oblique", "dicom/mr-hippocrop", "dicom/torchio-small",
    "dicom/ct-head-lowres",
)  # fmt: skip
RESULTS = ("segmentation", "conservative", "radical", "uncertain", "uncertainty")
# Voxels this coarse make a whole body a matter of seconds; the way back to the own grid is the same.
COARSE_MM = (6.0, 6.0, 6.0)


@pytest.fixture
def formats(shared_data) -> Path:
    """The folder of real volumes."""
    folder = shared_data / "formats"
    if not folder.is_dir():
        pytest.skip("real volumes are absent: ../shared/data/formats does not exist")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", IMAGES)
def test_results_lie_on_the_scans_own_grid(formats, a_random_model, a_reporter, awkward_path, name):
    cases = input_list([formats / name]).cases
    model = a_random_model(COARSE_MM, patch_size=(16, 32, 32)).folder
    config = SegmentConfig(str(model), InferenceConfig(overlap=0.0), MachineConfig(device="cpu"))
    job = Job.create(awkward_path / "job", JobKind.SEGMENT, config, Datalist(cases))
    run_segmentation_job(job, False, a_reporter)
    own = read_grid(formats / name)
    for result in RESULTS:
        grid = read_grid(getattr(job.prediction(cases[0].id), result))
        assert grid.size_ijk == own.size_ijk, result
        assert grid.spacing_mm == pytest.approx(own.spacing_mm, rel=1e-6), result
        assert grid.origin_mm == pytest.approx(own.origin_mm, abs=1e-4), result
        assert grid.direction == pytest.approx(own.direction, abs=1e-6), result


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("edge/nv_pcasl.nii.gz", "has 4 dimensions .*expected 3; save one of its frames"),
        ("edge/evalseg_370.nii.gz", "is a single slice .*expected a volume of several slices"),
    ],
)
def test_what_is_no_volume_gets_a_sentence(formats, name, sentence):
    with pytest.raises(DataError, match=f"{Path(name).name}' {sentence}"):
        read_image(formats / name)


def test_no_image_of_the_folder_is_left_out(formats):
    labels = ("_lab.", "_seg", "label", "_mask")
    found = {
        path.relative_to(formats).as_posix()
        for folder in ("nifti", "nrrd", "mha", "dicom")
        for path in (formats / folder).iterdir()
        if not any(part in path.name for part in labels)
    }
    assert found == set(IMAGES)
