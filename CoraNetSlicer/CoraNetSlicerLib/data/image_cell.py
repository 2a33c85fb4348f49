"""A cell of the table of cases in which a further image of a case is chosen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Optional

import qt

from coranet.contract import image_name

from ..core.translation import _


class ImageCell:
    """A combo box of volumes; a file that stays on disk is shown and cannot be changed.

    Attributes:
        combo: the widget.
    """

    def __init__(self, key: str, channel: int) -> None:
        """Make the widget.

        Args:
            key: of the row.
            channel: 1 for the second channel, and so on.
        """
        self.combo = qt.QComboBox()
        self.combo.setObjectName(f"imageCombo{channel}_{key}")
        # Long names would push the other columns out of a narrow panel.
        self.combo.setMinimumContentsLength(8)
        self.combo.setMaximumWidth(140)
        self._choices: list[Optional[Any]] = [None]

    @property
    def chosen(self) -> Optional[Any]:
        """The volume node that is chosen; None: none."""
        return self._choices[self.combo.currentIndex]

    def show(self, image: Optional[Any], volumes: Sequence[Any]) -> None:
        """Paint what is chosen.

        Args:
            image: volume node or path; None: none.
            volumes: the volume nodes that can be chosen.
        """
        is_file = isinstance(image, str)
        self._choices = [image] if is_file else [None, *volumes]
        names = [image_name(str(image))] if is_file else [_("none"), *(str(node.GetName()) for node in volumes)]
        self.combo.setEnabled(not is_file)
        self.combo.setToolTip(
            str(image) if is_file else _("The image of this channel; those of other cases are not offered.")
        )
        if names != [self.combo.itemText(index) for index in range(self.combo.count)]:
            self.combo.clear()
            self.combo.addItems(names)
        self.combo.setCurrentIndex(self._choices.index(image) if image in self._choices else 0)
