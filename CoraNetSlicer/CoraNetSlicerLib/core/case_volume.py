"""The volume node of a case: known by the mark of its job and by its voxels, whatever it is called."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any, Optional

import slicer

from coranet.contract import Case, Job, ScanIdentity
from coranet.contract.axis_order import AxisOrder
from coranet.contract.errors import DataError
from coranet.contract.scan_identity import hash_steps

from .context import SceneContext
from .images import elements, ijk_to_ras, moved_to, order_on_grid_of, placement_of_file, read_image, voxels_of
from .results import case_key, is_result, mark_as_case, marked_volumes, nodes_of_class
from .stepwise import run_to_end

# Of Slicer's three axes of the world the first two do not point to the left and to the back.
_ASCENDS = (False, False, True)


class CaseVolume:
    """Finds the volume node of a case (`node`, None before the last step), or loads the case's image file.

    `warnings` are sentences for the user.
    """

    def __init__(self, context: SceneContext, job: Job, case: Case) -> None:
        self.node: Any = None
        self.warnings: tuple[str, ...] = ()
        self._context = context
        self._job = job
        self._case = case

    def steps(self) -> Generator[object, None, None]:
        """Do the work, each step a few milliseconds.

        A result names the scan that it was computed on; then the volume is one with this scan: first of those that are
        marked as the case, then any other on its grid, then the file. Without that, a mark is enough.

        Raises:
            DataError: the file is missing, is not an image that Slicer can read, or is another scan now.
            JobError: result.json is damaged.
        """
        marked = marked_volumes(self._context.scene, self._job, self._case.id)
        identity = self._identity()
        if identity is None:
            self.node = next(iter(marked), None)
        else:
            self.node = yield from self._of_scan(identity, marked)
        if self.node is None:
            if marked and not Path(self._case.image).exists():
                raise DataError(
                    f"'{marked[0].GetName()}' was changed after it was segmented, and the original scan "
                    f"('{self._case.image}', {identity}) is missing; restore that file, or segment the volume again."
                )
            self.node = yield from self._load(identity)
            if marked:
                self.warnings = (
                    f"'{marked[0].GetName()}' was changed after it was segmented; its result lies on the scan as it "
                    f"was, '{self.node.GetName()}'.",
                )
        mark_as_case(self.node, case_key(self._job, self._case.id))

    def _identity(self) -> Optional[ScanIdentity]:
        files = self._job.prediction(self._case.id)
        if not files.result.is_file():
            return None
        return ScanIdentity.from_dict(files.read_result().get("scan"), files.result)

    def _of_scan(self, identity: ScanIdentity, marked: list[Any]) -> Generator[object, None, Any]:
        for node in marked:
            # One that was moved or got another spacing has the voxels still.
            if (yield from is_scan(node, identity)) and self._lies_on_the_grid(node):
                return node
        for node in nodes_of_class(self._context.scene, "vtkMRMLScalarVolumeNode"):
            is_candidate = node not in marked and not is_result(node) and not node.IsA("vtkMRMLLabelMapVolumeNode")
            if is_candidate and (yield from is_scan(node, identity)) and self._lies_on_the_grid(node):
                return node
        return None

    def _lies_on_the_grid(self, node: Any) -> bool:
        """Whether a volume lies where the result does; True where there is no result to be compared with."""
        path = self._job.prediction(self._case.id).segmentation
        if not path.is_file():
            return True
        try:
            order_on_grid_of(node, placement_of_file(path), path)
        except DataError:
            return False
        return True

    def _load(self, identity: Optional[ScanIdentity]) -> Generator[object, None, Any]:
        # Read before it enters the scene, so that a file that cannot be used leaves no node behind.
        node = read_image(Path(self._case.image), slicer.vtkMRMLScalarVolumeNode(), self._case.part)
        node.SetName(self._case.id)
        yield "image"
        moved = None
        if identity is not None and not self._lies_on_the_grid(node):
            moved = yield from self._as_the_engine_reads(node, identity)
        if identity is not None and moved is None and not (yield from is_scan(node, identity)):
            raise DataError(
                f"'{self._case.image}' is no longer the scan that the result of '{self._case.id}' was "
                f"computed on ({identity}); put that scan back, or segment this one."
            )
        node = node if moved is None else moved
        node.SetName(self._context.scene.GenerateUniqueName(self._case.id))
        added = self._context.scene.AddNode(node)
        added.CreateDefaultDisplayNodes()
        return added

    def _as_the_engine_reads(self, node: Any, identity: ScanIdentity) -> Generator[object, None, Any]:
        """A scan where its result lies, if its voxels are those of the result; else None.

        Of a header that contradicts itself (a spacing of 0 beside an sform, units of micrometres), Slicer's reader and
        the engine's make different places; what was segmented is what the engine made of it.
        """
        result = placement_of_file(self._job.prediction(self._case.id).segmentation)
        # In the order of the file, or with its slices reversed, as Slicer does with what it takes for left-handed.
        for is_reversed in (False, True):
            moved = moved_to(node, AxisOrder(reverses=(False, False, is_reversed)), result)
            if moved is not None and (yield from is_scan(moved, identity)):
                self.warnings = (
                    f"Slicer reads a different position or spacing from the header of '{self._case.image}' than "
                    "the engine; it is shown as it was segmented, so correct its header or export it again.",
                )
                return moved
        return None


def find_or_load_volume(context: SceneContext, job: Job, case: Case) -> Any:
    """The volume node of a case, all at once: as `CaseVolume.steps`, which lists the errors."""
    volume = CaseVolume(context, job, case)
    run_to_end(volume.steps())
    return volume.node


def is_scan(volume_node: Any, identity: ScanIdentity) -> Generator[object, None, bool]:
    """Whether a volume node holds a scan, in steps of a plane each; returns it at the end."""
    image = _grey_values(volume_node)
    if image is None:
        return False
    # An axis may be stored in another place.
    if sorted(image.GetDimensions()) != sorted(identity.size_ijk):
        return False
    return (yield from volume_hash_steps(volume_node)) == identity.voxels


def _grey_values(volume_node: Any) -> Optional[Any]:
    """The vtkImageData of a volume; None where it has no voxels, or is of colours, vectors or tensors."""
    image = volume_node.GetImageData()
    scalars = image.GetPointData().GetScalars() if image is not None else None
    return image if scalars is not None and scalars.GetNumberOfComponents() == 1 else None


def volume_hash_steps(volume_node: Any) -> Generator[object, None, str]:
    """The hash of a volume node's voxels (see `coranet.contract.scan_identity`), in steps; returned at the end.

    Raises:
        DataError: it has no voxels, or several values in each.
    """
    image = _grey_values(volume_node)
    if image is None:
        raise DataError(f"'{volume_node.GetName()}' is not a grey-value volume; load the scan that was segmented.")
    direction = elements(ijk_to_ras(volume_node))[:3, :3].ravel().tolist()
    return (yield from hash_steps(voxels_of(image), direction, _ASCENDS))


def file_hash_steps(path: Path, part: str = "") -> Generator[object, None, str]:
    """The hash of the voxels of an image file (of a `part` as of `images.read_image`), in steps; returned at the end.

    Raises:
        CoraNetError: it cannot be read.
    """
    node = read_image(path, slicer.vtkMRMLScalarVolumeNode(), part)
    yield "image"
    return (yield from volume_hash_steps(node))


def file_hash(path: Path, part: str = "") -> str:
    """What `file_hash_steps` returns, at once; raises as it does."""
    return run_to_end(file_hash_steps(path, part))
