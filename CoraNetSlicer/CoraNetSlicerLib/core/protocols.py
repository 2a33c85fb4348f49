"""The interface to the running application, as types: the whole of it, and the two parts that much needs alone.

`core.application.Application` is all of it in Slicer; tests have one of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Optional, Protocol


class Scheduler(Protocol):
    """Does something later, in the thread of the widgets."""

    def later(self, action: Callable[[], None], milliseconds: int = 0) -> None:
        """Do something after what is waiting now, and not before some time has passed."""


class Views(Protocol):
    """Brings nodes into view."""

    def main_window(self) -> Any:
        """The main window, whose keys work wherever the focus is; None if there is none."""

    def show_chart(self, chart: Any, rises: bool = False) -> None:
        """Bring a vtkMRMLPlotChartNode into view; in a layout without a plot, beside the 3D view.

        The legend is where the curves are not: at the bottom on the right where they rise, else at the top.
        """

    def show_volume(self, volume: Any) -> None:
        """Bring a volume into all slice views, fitted to them."""

    def show_sequence(self, browser: Any) -> None:
        """Show the tool bar that scrolls through a vtkMRMLSequenceBrowserNode."""

    def new_segment_editor(self) -> Any:
        """A widget of the Segment Editor (qMRMLSegmentEditorWidget); None if there is none."""

    def show_segment_editor(self, hint: str) -> None:
        """Open the module Segment Editor, which takes the scene's editor node as it was prepared.

        The hint in the status bar is how it goes on after that: the panel is out of sight then.
        """

    def clear_hint(self) -> None:
        """Take the hint off the status bar."""

    def drawn_once(self) -> AbstractContextManager[None]:
        """Views draw what happens inside once, at its end."""

    def slice_composite_nodes(self) -> list[Any]:
        """The vtkMRMLSliceCompositeNode of each slice view."""

    def slice_interactors(self) -> list[tuple[Any, Any]]:
        """The vtkRenderWindowInteractor of each slice view of the layout, with its vtkMRMLSliceNode."""


class Host(Scheduler, Views, Protocol):
    """The whole application: it asks a person, remembers texts on this machine, and has a Python and extensions."""

    def confirm(self, question: str) -> bool:
        """Whether the answer to a question is yes."""

    def choose(self, question: str, answers: Mapping[str, str]) -> str:
        """The key of the answer (key -> text of its button) that a person chose.

        The first one is proposed; closing the window is the last one.
        """

    def choose_folder(self, title: str, start: str = "") -> str:
        """A folder; "" if none was chosen."""

    def choose_file(self, title: str, file_types: str, start: str = "") -> str:
        """A file of types such as "Datalist (*.json)"; "" if none was chosen."""

    def setting(self, name: str, default: str = "") -> str:
        """A text that this machine remembers, whatever scene is open."""

    def set_setting(self, name: str, value: str) -> None:
        """Remember a text."""

    def user_name(self) -> str:
        """Who decides: the name in the application's settings, else that of the account; "" if unknown."""

    def open_path(self, path: Path) -> None:
        """Show a folder or a text file in the program that the system has for it."""

    def copy_text(self, text: str) -> None:
        """Put a text onto the clipboard."""

    def python_slicer(self) -> Optional[str]:
        """Path of PythonSlicer; None if it is not there."""

    def startup_environment(self) -> dict[str, str]:
        """The environment variables as they were before the application changed them."""

    def has_module(self, name: str) -> bool:
        """Whether a module is there, for example that of an extension."""

    def open_module(self, name: str) -> None:
        """Show a module."""

    def pip_install(self) -> Optional[Callable[..., object]]:
        """`slicer.packaging.pip_install`; None before Slicer 5.11."""

    def install_extension(self, name: str) -> str:
        """Install an extension, which is active after a restart; returns why it could not be, "" if it was."""

    def restart(self) -> None:
        """Start the application anew; the application itself asks about unsaved work."""
