"""The main job from end to end, through the console API: train, segment, look.

python Testing/demo/run.py [--data DATASET_JSON] [--output demo-output] [--set key=value ...]
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
MODULE_FOLDER = HERE.parents[1] / "CoraNetSlicer"
sys.path.insert(0, str(MODULE_FOLDER))

from curves import draw_curves  # noqa: E402
from dataset import SceneData, load_dataset  # noqa: E402
from metrics import Scores, score, summary, write_csv, write_markdown  # noqa: E402
from vtkmodules.vtkCommonCore import vtkOutputWindow, vtkStringOutputWindow  # noqa: E402

from coranet.command_line.terminal import TerminalProgress  # noqa: E402
from coranet.contract import JobStatus  # noqa: E402
from coranet.contract.errors import CoraNetError  # noqa: E402
from CoraNetSlicerLib.core.context import SceneContext  # noqa: E402
from CoraNetSlicerLib.logic import CoraNetLogic  # noqa: E402

# In an output folder that carries this file everything is the demo's own and may be replaced.
MARKER = ".coranet-demo"
OPENGL_HINT = "apt-get install libegl1 libegl-mesa0 libgl1-mesa-dri"
# The synthetic scans are small: two minutes are enough, and the whole demo takes less than five on two processor cores.
PHANTOM_SETTINGS = {"preset": "quick", "time": "2 min"}
DATA_SETTINGS = {"preset": "quick"}
STEPS = {"training.pretraining_steps", "training.self_training_steps"}


class DemoError(Exception):
    """The demo cannot go on; the text says why."""


def main() -> int:
    options = parse_arguments()
    started = time.monotonic()
    try:
        output = fresh_folder(options.output)
        dataset = options.data or make_phantom(output / "phantom")
        settings = chosen_settings(options)
        show_main_job(dataset, output, settings)
    except (CoraNetError, DemoError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"\ndone in {(time.monotonic() - started) / 60:.1f} min. Look at\n{inventory(output)}")
    return 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="a dataset.json; without one a synthetic data set is made")
    parser.add_argument("--output", type=Path, default=Path("demo-output"))
    parser.add_argument(
        "--set", action="append", default=[], type=key_and_value, metavar="key=value", help="change a training setting"
    )
    return parser.parse_args()


def chosen_settings(options: argparse.Namespace) -> dict[str, Any]:
    """Those of the data set, with what was asked for; numbers of steps stand in place of a time."""
    settings = {**(DATA_SETTINGS if options.data else PHANTOM_SETTINGS), **dict(options.set)}
    if STEPS & settings.keys():
        settings.pop("time", None)
    return settings


def key_and_value(word: str) -> tuple[str, str]:
    key, equals, value = word.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"expected key=value, got '{word}'")
    return key, value


def fresh_folder(folder: Path) -> Path:
    """The empty output folder; what an earlier demo left in it is removed."""
    folder = folder.absolute()
    if folder.exists() and any(folder.iterdir()):
        if not (folder / MARKER).exists():
            raise DemoError(f"'{folder}' holds files that are not this demo's; choose another --output.")
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARKER).touch()
    return folder


def make_phantom(folder: Path) -> Path:
    """A synthetic data set, made by the engine's command line."""
    show("making a synthetic data set")
    command = [sys.executable, str(MODULE_FOLDER / "coranet" / "__main__.py"), "phantom", str(folder)]
    made = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)
    if made.returncode != 0:
        raise DemoError(f"the synthetic data set could not be made: {made.stderr.strip()}")
    return folder / "dataset.json"


def show_main_job(dataset: Path, output: Path, settings: dict[str, Any]) -> None:
    context = SceneContext.standalone()
    logic = CoraNetLogic(context, jobsFolder=output / "jobs")
    data = load_dataset(context, dataset)
    show(
        f"in the scene: {len(data.training)} labeled, {len(data.unlabeled)} unlabeled, "
        f"{len(data.validation)} validation and {len(data.test)} test volumes; "
        f"classes: {', '.join(label.name for label in data.labels)}"
    )
    training = train(logic, data, output, settings)
    plot = logic.trainingPlot(training)
    draw_curves(plot, output / "curves.png")
    show("segmenting the test volumes")
    segmentation = logic.segment([volume for volume, _ in data.test], training, folder=output / "jobs" / "segmentation")
    follow(segmentation)
    loaded = logic.loadResults(segmentation)
    scores = score(loaded, {volume.GetName(): truth for volume, truth in data.test if truth is not None})
    report(scores, output)
    shown = scores.typical_case() if scores.cases else loaded[0].volume.GetName()
    show_only(loaded, shown)
    save_scene(context, data, output / "scene.mrb")
    draw_views(output, shown)


def train(logic: CoraNetLogic, data: SceneData, output: Path, settings: dict[str, Any]) -> Any:
    show(f"training in the background, settings: {', '.join(f'{key}={value}' for key, value in settings.items())}")
    folder = output / "jobs" / "training"
    job = logic.train(data.training, data.unlabeled, settings, folder, validation=data.validation)
    follow(job)
    return job


def follow(job: Any) -> None:
    """Show a background job's progress until it is over."""
    progress = TerminalProgress(sys.stdout)
    job.onEvents(lambda events: [progress(event) for event in events])
    try:
        status = job.wait()
    except KeyboardInterrupt:
        job.cancel()
        raise DemoError(f"stopped; the job in '{job.folder}' can be resumed.") from None
    finally:
        progress.close()
    if status is not JobStatus.FINISHED:
        raise DemoError(f"the job in '{job.folder}' {status.value}: {job.message}")


def report(scores: Scores, output: Path) -> None:
    if not scores.cases:
        show("the test volumes have no labels: nothing to measure")
        return
    write_csv(scores, output / "metrics.csv")
    write_markdown(scores, output / "metrics.md")
    print(f"\n{summary(scores)}\n")


def show_only(predictions: list[Any], volume_name: str) -> None:
    """Hide all cases but one: they share the patient coordinate system and would lie over each other."""
    for prediction in predictions:
        is_shown = prediction.volume.GetName() == volume_name
        for node in (prediction.segmentation, prediction.overlays):
            node.GetDisplayNode().SetVisibility(is_shown)


def save_scene(context: SceneContext, data: SceneData, path: Path) -> None:
    """Save what one wants to look at again: everything but the unlabeled volumes."""
    for volume in data.unlabeled:
        context.scene.RemoveNode(volume)
    console = vtkOutputWindow.GetInstance()
    vtkOutputWindow.SetInstance(vtkStringOutputWindow())  # the archive writer announces every file
    is_written = context.scene.WriteToMRB(str(path))
    vtkOutputWindow.SetInstance(console)
    if not is_written:
        raise DemoError(f"'{path}' could not be written; free some space or choose another --output.")


def draw_views(output: Path, volume_name: str) -> None:
    """Pictures in a process of their own: without a working OpenGL it may die, and the results stay."""
    show(f"drawing {volume_name}")
    command = [sys.executable, str(HERE / "views.py"), str(output / "scene.mrb"), volume_name, str(output)]
    drawn = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", errors="replace", check=False)
    if drawn.returncode != 0:
        last = (drawn.stderr.strip().splitlines() or [f"exit code {drawn.returncode}"])[-1]
        raise DemoError(f"the pictures could not be drawn ({last}); OpenGL without a display needs: {OPENGL_HINT}")


def inventory(output: Path) -> str:
    meanings = {
        "slice.png": "a slice with result, conservative and radical outlines, uncertain region",
        "view3d.png": "the same case in 3D",
        "curves.png": "losses and validation Dice",
        "metrics.md": "Dice, volumes and uncertain regions of each test case; metrics.csv for programs",
        "scene.mrb": "everything as a Slicer scene: drop it on Slicer's window",
        "jobs": "the job directories: log.txt, events.jsonl, model, predictions",
    }
    rows = [(output / name, meaning) for name, meaning in meanings.items() if (output / name).exists()]
    return "\n".join(f"  {path}   {meaning}" for path, meaning in rows)


def show(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
