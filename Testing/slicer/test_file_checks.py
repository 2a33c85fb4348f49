"""What is wrong with cases whose images or labels are files on disk."""

from __future__ import annotations

import pytest
from checked_cases import SEGMENTS, found, node, presenter_of_good_cases
from patience import PATIENCE_S
from scene_builders import (
    add_segmentation,
)

from CoraNetSlicerLib.core.case_images import LabelFile
from CoraNetSlicerLib.data.case_rows import Severity


@pytest.fixture
def cases(context):
    """Four labeled cases and three unlabeled ones of one kind."""
    yield from presenter_of_good_cases(context)


class TestFiles:
    def test_files_that_are_gone(self, cases, context, tmp_path):
        image, label = tmp_path / "a.nrrd", tmp_path / "l.nrrd"
        for path in (image, label):
            path.write_bytes(b"")
        cases.add_files(image)
        label_file = LabelFile(str(label), {1: "Liver", 2: "Tumor"})
        cases.set_segmentation(cases.rows[-1].key, label_file)
        assert found(cases) == []
        image.unlink(), label.unlink()
        cases.restore()
        assert found(cases) == [], "nobody has looked yet"
        assert cases.has_unseen_files
        assert cases.look_at_files(PATIENCE_S)
        assert not cases.has_unseen_files
        assert found(cases) == [("a", "error", "file missing"), ("a", "error", "file missing")]

    def test_a_short_look_is_not_a_look_at_everything(self, cases, tmp_path):
        for number in range(3):
            (tmp_path / f"{number}.nrrd").write_bytes(b"")
        cases.add_files(tmp_path)
        assert not cases.look_at_files(seconds=-1)
        assert cases.has_unseen_files
        assert cases.look_at_files(PATIENCE_S)

    @pytest.mark.parametrize(
        ("label", "sentence"),
        [
            ("sizes: 4 5 6\nspacings: 1 1 2", None),
            ("sizes: 4 5 7\nspacings: 1 1 2", "'l.nrrd' has 4 x 5 x 7 voxels, 'a' has 4 x 5 x 6. Resample"),
            ("sizes: 4 5 6\nspacings: 1 1 2.5", "'l.nrrd' has voxels of 1 x 1 x 2.5 mm, 'a' of 1 x 1 x 2 mm"),
        ],
    )
    def test_a_label_map_on_another_grid(self, cases, tmp_path, label, sentence):
        (tmp_path / "a.nrrd").write_text("NRRD0004\nsizes: 4 5 6\nspacings: 1 1 2\n\n", encoding="utf-8")
        (tmp_path / "l.nrrd").write_text(f"NRRD0004\n{label}\n\n", encoding="utf-8")
        cases.add_files(tmp_path / "a.nrrd")
        cases.set_segmentation(cases.rows[-1].key, LabelFile(str(tmp_path / "l.nrrd"), {1: "Liver", 2: "Tumor"}))
        cases.look_at_files(PATIENCE_S)
        errors = [finding.text for finding in cases.report.findings if finding.severity is Severity.ERROR]
        assert len(errors) == bool(sentence)
        assert not sentence or errors[0].startswith(sentence)

    def test_another_spacing_is_seen_in_the_header(self, cases, tmp_path):
        (tmp_path / "a.nrrd").write_text("NRRD0004\nsizes: 4 5 6\nspacings: 3 3 3\n\n", encoding="utf-8")
        cases.add_files(tmp_path / "a.nrrd")
        cases.look_at_files(PATIENCE_S)
        assert found(cases) == [("a", "warning", "unusual spacing")]

    def test_values_without_the_wanted_names(self, cases, tmp_path):
        (tmp_path / "a.nrrd").write_bytes(b"")
        cases.add_files(tmp_path / "a.nrrd")
        cases.set_segmentation(cases.rows[-1].key, LabelFile(str(tmp_path / "a.nrrd"), {1: "Liver"}))
        assert ("a", "error", "segment names") in found(cases)

    def test_an_image_on_disk_has_no_segmentation_of_the_scene(self, cases, context, tmp_path):
        (tmp_path / "a.nrrd").write_bytes(b"")
        cases.add_files(tmp_path / "a.nrrd")
        cases.set_segmentation(cases.rows[-1].key, add_segmentation(context, "s", node(cases, "U0"), SEGMENTS))
        assert found(cases) == [("a", "error", "not loaded")]
