"""What is segmented: one volume, several, or a folder of images, and which images belong to a case."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from coranet.contract import Job, listed, scans_in
from coranet.contract.errors import CoraNetError, DataError
from coranet.contract.name_key import name_key

from ..core.case_images import require_usable_volume
from ..core.case_nodes import NodeWatch, image_volumes
from ..core.notification import Signal
from ..core.parameters import Parameters
from ..core.protocols import Host
from ..core.results import is_result, nodes_of_class
from ..core.stepwise import Deferred
from ..core.translation import _, sentence
from ..data.case_rows import CaseRole, CaseStorage

_KIND, _INPUT, _OUTPUT = "SegmentSource", "SegmentInputFolder", "SegmentOutputFolder"
_VOLUME, _VOLUMES = "SegmentVolume", "SegmentVolumes"


class SourceKind(str, Enum):
    """Where the images come from."""

    VOLUME = "volume"
    VOLUMES = "volumes"
    FOLDER = "folder"


@dataclass(frozen=True)
class VolumeTick:
    """A volume of the scene in the list of several, and whether it is to be segmented."""

    node: Any
    name: str
    is_ticked: bool


class SegmentationSource:
    """The choice of what is segmented, kept in the scene.

    Attributes:
        changed: sent after each change of what is shown.
        input_error, output_error: what is wrong with the folders; "" if nothing, or while none is named.
        image_count: images in the input folder.
        left_out: what else is in it and why it is left out, a sentence each.
    """

    def __init__(self, scene: Any, parameters: Parameters, application: Host) -> None:
        self.changed = Signal()
        self.input_error = self.output_error = ""
        self.image_count = 0
        self.left_out: tuple[str, ...] = ()
        self._scene = scene
        self._parameters = parameters
        self._application = application
        self._proposed = ""
        self._news = Deferred(application, self._on_nodes)
        self._watch = NodeWatch(scene, self._news.request)
        self.look_again()

    @property
    def kinds(self) -> list[tuple[str, str]]:
        """Key and text of each kind."""
        return [
            (SourceKind.VOLUME.value, _("Volume")),
            (SourceKind.VOLUMES.value, _("Several volumes")),
            (SourceKind.FOLDER.value, _("Folder")),
        ]

    @property
    def kind(self) -> SourceKind:
        """Where the images come from."""
        text = self._parameters.text(_KIND)
        return SourceKind(text) if text in {kind.value for kind in SourceKind} else SourceKind.VOLUME

    @property
    def volume(self) -> Any:
        """The one volume; None if none is chosen."""
        return next(iter(self._parameters.nodes(_VOLUME)), None)

    @property
    def ticks(self) -> list[VolumeTick]:
        """The volumes of the scene that can be segmented; of several with one name, all but the first have a number."""
        ticked, counts = self._parameters.nodes(_VOLUMES), Counter[str]()
        ticks = []
        for node in image_volumes(self._scene):
            name = str(node.GetName() or "")
            counts[name] += 1
            shown = name if counts[name] == 1 else f"{name} ({counts[name]})"
            ticks.append(VolumeTick(node, shown, node in ticked))
        return ticks

    @property
    def unlabeled(self) -> list[Any]:
        """The volume nodes that are unlabeled in the table under Data."""
        rows = CaseStorage(self._parameters).rows()
        return [row.volume for row in rows if row.role is CaseRole.UNLABELED and not row.is_file]

    @property
    def reason_no_unlabeled(self) -> str:
        """Why no unlabeled volumes can be ticked; "" if there are some."""
        return "" if self.unlabeled else _("No volume is unlabeled under Data.")

    @property
    def input_folder(self) -> str:
        """The folder of images; "" if none is named."""
        return self._parameters.text(_INPUT)

    @property
    def output_folder(self) -> str:
        """The folder of the results; "": a new one in the folder of all jobs."""
        return self._parameters.text(_OUTPUT)

    @property
    def count_text(self) -> str:
        """How many images the folder holds, and what is left out; "" while none is named."""
        if not self.image_count:
            return ""
        text = _("{count} images found.").format(count=self.image_count)
        return "\n".join([_("1 image found.") if self.image_count == 1 else text, *map(sentence, self.left_out)])

    @property
    def volume_error(self) -> str:
        """What is wrong with the one volume; "" if nothing, or while none is chosen."""
        volume = self.volume
        if volume is None or self.kind is not SourceKind.VOLUME:
            return ""
        if is_result(volume):
            return _("'{name}' is a result of CoraNet; choose the image itself.").format(name=volume.GetName())
        try:
            require_usable_volume(volume)
        except CoraNetError as error:
            return str(error)
        return ""

    @property
    def volumes(self) -> list[Any]:
        """The volume nodes to be segmented; none where a folder is."""
        if self.kind is SourceKind.VOLUME:
            return [] if self.volume is None or self.volume_error else [self.volume]
        return [tick.node for tick in self.ticks if tick.is_ticked] if self.kind is SourceKind.VOLUMES else []

    @property
    def reason_missing(self) -> str:
        """Why there is nothing to be segmented; "" if there is."""
        if self.kind is SourceKind.FOLDER:
            if not self.input_folder:
                return _("Choose the folder with the images.")
            return self.input_error or self.output_error
        if self.volume_error or self.volumes:
            return self.volume_error
        return _("Choose a volume.") if self.kind is SourceKind.VOLUME else _("Tick the volumes to segment.")

    def set_kind(self, kind: str) -> None:
        """Choose where the images come from, by its key."""
        if SourceKind(kind) is not self.kind:
            self._parameters.set_text(_KIND, kind)
            self.changed.send()

    def set_volume(self, node: Any) -> None:
        """Choose the one volume; None for none."""
        if node is not self.volume:
            self._parameters.set_nodes(_VOLUME, [] if node is None else [node])
            self.changed.send()

    def propose(self) -> None:
        """Choose the volume that is in view, unless a person has chosen another one."""
        chosen = self.volume
        if chosen is not None and chosen.GetID() != self._proposed:
            return
        shown = {view.GetBackgroundVolumeID() for view in self._application.slice_composite_nodes()}
        in_view = next((node for node in image_volumes(self._scene) if node.GetID() in shown), None)
        if in_view is not None:
            self._proposed = str(in_view.GetID())
            self.set_volume(in_view)

    def set_ticked(self, node: Any, is_ticked: bool) -> None:
        """Tick a volume, or take the tick away."""
        others = [other for other in self._parameters.nodes(_VOLUMES) if other is not node]
        self._parameters.set_nodes(_VOLUMES, [*others, node] if is_ticked else others)
        self.changed.send()

    def tick_unlabeled(self) -> None:
        """Choose all volumes that are unlabeled in the table under Data, and no others."""
        self._parameters.set_text(_KIND, SourceKind.VOLUMES.value)
        self._parameters.set_nodes(_VOLUMES, self.unlabeled)
        self.changed.send()

    def set_input_folder(self, folder: str) -> None:
        """Name the folder of images; what is wrong with it is in `input_error`."""
        if folder.strip() != self.input_folder:
            self._parameters.set_text(_INPUT, folder.strip())
            self._look_at_input()
            self.changed.send()

    def set_output_folder(self, folder: str) -> None:
        """Name the folder of results; what is wrong with it is in `output_error`."""
        if folder.strip() != self.output_folder:
            self._parameters.set_text(_OUTPUT, folder.strip())
            self._look_at_output()
            self.changed.send()

    def look_again(self) -> None:
        """Look at the folders again, after files came or went."""
        self._look_at_input()
        self._look_at_output()
        self._on_nodes()

    def close(self) -> None:
        """Let go of the scene."""
        self._watch.close()
        self._news.close()

    def _on_nodes(self) -> None:
        # A volume is offered once it has voxels, and under the name that it has then.
        self._watch.follow(nodes_of_class(self._scene, "vtkMRMLScalarVolumeNode"))
        self.changed.send()

    def _look_at_input(self) -> None:
        self.input_error, self.image_count, self.left_out = "", 0, ()
        if self.input_folder:
            try:
                scans = scans_in(Path(self.input_folder).expanduser())
                self.image_count, self.left_out = len(scans.scans), scans.left_out
            except CoraNetError as error:
                self.input_error = str(error)

    def _look_at_output(self) -> None:
        path = Path(self.output_folder).expanduser()
        self.output_error = ""
        if not self.output_folder:
            return
        if path.is_file():
            self.output_error = _("'{path}' is a file, expected a folder; choose another name.").format(path=path)
        elif Job.exists(path):
            self.output_error = _("'{path}' holds a job already; choose a new folder.").format(path=path)
        elif not path.is_absolute():
            self.output_error = _("'{path}' is not an absolute path; begin with the drive or the root.").format(
                path=path
            )


def images_to_segment(volumes: Sequence[Any], channels: Sequence[str], parameters: Parameters) -> list[Any]:
    """The images of each case: the volume alone, or with those that the table under Data has beside it.

    Returns:
        Volume nodes, or of several channels tuples of them in the order of the model's channels.

    Raises:
        DataError: a volume is not in the table with an image for each channel.
    """
    if len(channels) < 2:
        return list(volumes)
    storage = CaseStorage(parameters)
    names = [name_key(name) for name in storage.channels()]
    expected = [name_key(name) for name in channels]
    rows = {id(row.volume): row.images for row in storage.rows()}
    # Without names in common, the table's order is that of the model.
    order = [names.index(name) for name in expected] if sorted(names) == sorted(expected) else range(len(names))
    cases = []
    for volume in volumes:
        images = rows.get(id(volume), (volume,))
        chosen = tuple(images[index] for index in order if index < len(images))
        if len(chosen) != len(channels) or None in chosen:
            raise DataError(
                _(
                    "The model needs {channels} of each case; give '{name}' its images in the table under Data, with "
                    "Add channel."
                ).format(channels=listed(tuple(channels)), name=volume.GetName())
            )
        cases.append(chosen)
    return cases
