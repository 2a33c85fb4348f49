"""How long a decision on an uncertain region keeps the application busy: processor time of each step of a review.

    python benchmarks/review_decisions.py [--size 256,256,200]

The case is made up as in `regions.py`, with five classes; it is loaded into a real scene without a window. Timed are
opening the review, reading its voxels (in steps, of which the longest counts), twenty decisions in the order of the
list, taking them back, a slide of the boundary with a radius of 15 mm, notch by notch, an edit, and promoting the case
to training. Views do not draw, so their part is not in it.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / folder) for folder in ("CoraNetSlicer", "Testing/slicer", "benchmarks")]

from regions import STRUCTURES, made_up_case
from synthetic_predictions import CASE_ID, write_image, write_segmented_job

from coranet.inference.margins import HeadMargins, slide_margins
from coranet.inference.prediction import arrays_of
from coranet.regions.files import write_regions
from coranet.regions.finding import find_regions
from coranet.volume import read_grid
from CoraNetSlicerLib.core.case_volume import find_or_load_volume
from CoraNetSlicerLib.core.context import SceneContext
from CoraNetSlicerLib.review.caution import draw_decided_bounds
from CoraNetSlicerLib.review.region_review import RegionReview
from CoraNetSlicerLib.review.result_loading import load_prediction
from CoraNetSlicerLib.review.review_opening import open_review

DECISIONS, NOTCHES = 20, 10
SLIDE_RADIUS_MM = 15.0


def opened_review(folder: Path, size_ijk: tuple[int, int, int]) -> RegionReview:
    """A made-up case on disk, loaded into a scene."""
    prediction = made_up_case(size_ijk[::-1], 0.1)
    job = write_segmented_job(folder / "segment 1", arrays_of(prediction))
    files = job.prediction(CASE_ID)
    content = json.loads(files.result.read_text(encoding="utf-8"))
    content["labels"] = [{"value": value, "name": f"Class {value}"} for value in range(1, len(STRUCTURES) + 1)]
    files.result.write_text(json.dumps(content), encoding="utf-8")
    grid = read_grid(files.segmentation)
    write_regions(files, find_regions(CASE_ID, prediction, grid, 0.0), grid)
    head = HeadMargins.begin(prediction.segmentation.shape, prediction.segmentation.dtype)
    margins = slide_margins(prediction.segmentation, head, grid)
    write_image(margins.margin, files.margin)
    write_image(margins.second, files.second)
    context = SceneContext.standalone()
    volume = find_or_load_volume(context, job, job.read_datalist().cases[0])
    loaded = load_prediction(context, files, volume)
    print(f"{'open':<16}{timed(lambda: open_review(context, loaded, files)):6.0f} ms")
    return open_review(context, loaded, files)


def timed(action: Callable[[], Any]) -> float:
    """Processor time in milliseconds."""
    start = time.process_time()
    action()
    return 1000 * (time.process_time() - start)


def longest_step(review: RegionReview) -> float:
    """The longest step of reading the voxels, in milliseconds."""
    steps = review.read_steps()
    sentinel = object()
    longest, done = 0.0, None
    while done is not sentinel:
        start = time.process_time()
        done = next(steps, sentinel)
        longest = max(longest, 1000 * (time.process_time() - start))
    return longest


def slide(review: RegionReview) -> list[float]:
    """Processor time of each notch of a slide, in milliseconds; the slide is discarded."""
    review.sliding.begin(review.regions.region(1).center_ijk, None, SLIDE_RADIUS_MM)

    def turn() -> None:
        review.sliding.turn(1)
        review.sliding.draw()

    notches = [timed(turn) for _notch in range(NOTCHES)]
    review.sliding.discard()
    return notches


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", default="256,256,200", help="i,j,k")
    args = parser.parse_args()
    i, j, k = (int(word) for word in args.size.split(","))
    with tempfile.TemporaryDirectory() as folder:
        review = opened_review(Path(folder), (i, j, k))
        regions = review.regions.regions
        print(f"{len(regions)} regions of at most {max(region.voxels for region in regions)} voxels")
        print(f"{'longest step':<16}{longest_step(review):6.0f} ms")
        numbers = [region.number for region in regions[:DECISIONS]]
        choices = ("radical", "conservative", "keep")
        decisions = [timed(lambda n=number: review.decide(n, choices[n % 3])) for number in numbers]
        bounds = timed(lambda: draw_decided_bounds(review.loaded, review.decided_boxes()))
        undone = [timed(review.undo) for _number in numbers]
        print(f"{'a decision':<16}{max(decisions):6.0f} ms at most")
        print(f"{'an undo':<16}{max(undone):6.0f} ms at most")
        print(f"{'bounds':<16}{bounds:6.0f} ms for {DECISIONS} decisions")
        print(f"{'a slide':<16}{max(slide(review)):6.0f} ms at most a notch")
        print(f"{'begin an edit':<16}{timed(lambda: review.begin_edit(1)):6.0f} ms")
        print(f"{'end an edit':<16}{timed(lambda: review.end_edit(True)):6.0f} ms")
        print(f"{'promote':<16}{timed(lambda: review.promote(True)):6.0f} ms")


if __name__ == "__main__":
    main()
