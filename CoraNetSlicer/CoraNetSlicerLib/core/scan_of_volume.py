"""Which scan a volume node holds."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.vtkCommonMath import vtkMatrix4x4

from coranet.contract.errors import DataError
from coranet.contract.scan_identity import ScanIdentity, hash_steps

# Of Slicer's three axes of the world the first two do not point to the left and to the back.
_ASCENDS = (False, False, True)


def is_scan(volume_node: Any, identity: ScanIdentity) -> Generator[str, None, bool]:
    """Whether a volume node holds a scan, in steps of a plane each; returns it at the end."""
    image = volume_node.GetImageData()
    scalars = image.GetPointData().GetScalars() if image is not None else None
    # Colours, vectors and tensors of the same size are volumes, too.
    if scalars is None or scalars.GetNumberOfComponents() != 1:
        return False
    # An axis may be stored in another place.
    if sorted(image.GetDimensions()) != sorted(identity.size_ijk):
        return False
    return (yield from volume_hash_steps(volume_node)) == identity.voxels


def volume_hash_steps(volume_node: Any) -> Generator[str, None, str]:
    """The hash of a volume node's voxels (see `coranet.contract.scan_identity`), in steps; returned at the end.

    Raises:
        DataError: it has no voxels, or several values in each.
    """
    image = volume_node.GetImageData()
    scalars = image.GetPointData().GetScalars() if image is not None else None
    if scalars is None or scalars.GetNumberOfComponents() != 1:
        raise DataError(f"'{volume_node.GetName()}' is not a grey-value volume; load the scan that was segmented.")
    voxels = vtk_to_numpy(scalars).reshape(tuple(reversed(image.GetDimensions())))
    matrix = vtkMatrix4x4()
    volume_node.GetIJKToRASMatrix(matrix)
    direction = [matrix.GetElement(row, column) for row in range(3) for column in range(3)]
    planes = hash_steps(voxels, direction, _ASCENDS)
    while True:
        try:
            next(planes)
        except StopIteration as end:
            return str(end.value)
        yield "plane of the scan"


def volume_hash(volume_node: Any) -> str:
    """What `volume_hash_steps` returns, at once."""
    steps = volume_hash_steps(volume_node)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return str(end.value)
