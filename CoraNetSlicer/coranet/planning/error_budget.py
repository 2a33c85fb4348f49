"""Whether a training ends with an error model, and what of its time is kept for that."""

from __future__ import annotations

from pathlib import Path

from ..contract import Case, Datalist, PredictionFiles, RegionList, Review, Role
from ..contract.config import TrainConfig
from ..contract.config.time_budget import seconds_of
from ..contract.doubt import FEWEST_CASES
from ..contract.errors import JobError
from ..contract.events import Noted

# With so many cases set aside, no training has to leave cases out: 90 % can be promised.
ENOUGH_SET_ASIDE = 9
# From so many cases that were set aside or reviewed, an error model needs no more volume than the softmax on any set
# that was measured, and clearly less on most. Without short trainings it takes next to no time.
ENOUGH_FOR_AUTO = 4
# What fits may take without short trainings: a share of the training, and seconds; fewer teach too little.
_FITS_SHARE, _FITS_S, _LEAST_FITS_S, _FEWEST_STEPS = 0.1, 120.0, 10.0, 200


def is_reviewed_to_the_end(case: Case) -> bool:
    """Whether a person has decided on each region of a case whose label is known in part.

    Raises:
        JobError: the review beside the mask, or its list of regions, is damaged.
    """
    if not case.known:
        return False
    files = PredictionFiles(Path(case.known).parent)
    if not (files.regions.is_file() and files.review.is_file()):
        return False
    regions = RegionList.read(files.regions)
    return Review.read(files.review, regions).is_complete(regions)


def set_aside(datalist: Datalist) -> tuple[Case, ...]:
    """The cases with a known label from which a training does not learn it, or not from the start."""
    reviewed = [case for case in datalist.with_role(Role.TRAINING) if _is_reviewed(case)]
    return (*datalist.with_role(Role.VALIDATION), *reviewed)


def left_out_cases(config: TrainConfig, datalist: Datalist) -> tuple[Case, ...]:
    """The labeled cases that short trainings leave out, so that some network has not seen them; () where none has to.

    One labeled case is not left out: nothing would be there to learn from.

    Args:
        config: of the training; only 'on' asks for short trainings.
        datalist: its cases.
    """
    if config.training.error_model != "on":
        return ()
    whole = tuple(case for case in datalist.with_role(Role.TRAINING) if not case.is_partial)
    return whole if len(whole) > 1 and len(set_aside(datalist)) < ENOUGH_SET_ASIDE else ()


def error_model_share(config: TrainConfig, datalist: Datalist) -> float:
    """Share of the whole training that its error model takes; 0: there is none."""
    if why_none(config, datalist) is not None:
        return 0.0
    return config.training.error_model_share if left_out_cases(config, datalist) else _share_of_fits(config)


def reserved_s(config: TrainConfig, datalist: Datalist) -> float:
    """Seconds of a training's time that are kept for its error model; 0 where it has no time, or there is none."""
    return error_model_share(config, datalist) * (seconds_of(config.time) or 0.0)


def why_none(config: TrainConfig, datalist: Datalist) -> str | None:
    """Why a training has no error model, in a sentence; "": none was requested; None: it has one.

    Args:
        config: of the training; with `time`, or the steps that are set.
        datalist: its cases.
    """
    training = config.training
    if training.error_model == "off" or (training.error_model == "auto" and not _is_worthwhile(config, datalist)):
        return ""
    count = len(set_aside(datalist)) + len(left_out_cases(config, datalist))
    if count < FEWEST_CASES:
        return (
            f"there is no error model, so the uncertain region is where the heads differ: one needs at "
            f"least {FEWEST_CASES} labeled cases that a network has not seen, but there is "
            f"{count or 'none'}; label one more."
        )
    return None


def error_model_note(config: TrainConfig, datalist: Datalist) -> Noted | None:
    """Whether there will be an error model, for people; None: none was requested."""
    reason = why_none(config, datalist)
    if reason is not None:
        return Noted("no_error_model", reason) if reason else None
    aside, left_out = len(set_aside(datalist)), len(left_out_cases(config, datalist))
    sources = [f"{aside} set aside or reviewed"] if aside else []
    sources += [f"{left_out} that short trainings leave out"] if left_out else []
    share = f"{100 * error_model_share(config, datalist):.0f} %"
    time = f"{share} of {config.time}" if config.time else f"{share} of the training"
    return Noted("error_model", f"an error model learns from {' and '.join(sources)} where the model errs, in {time}.")


def _is_worthwhile(config: TrainConfig, datalist: Datalist) -> bool:
    """Whether "auto" makes one: of enough cases that need no short trainings, in time enough for fits."""
    whole_s = seconds_of(config.time)
    is_long = _share_of_fits(config) * whole_s >= _LEAST_FITS_S if whole_s else _steps(config) >= _FEWEST_STEPS
    return is_long and len(set_aside(datalist)) >= ENOUGH_FOR_AUTO


def _share_of_fits(config: TrainConfig) -> float:
    """Share of the whole training that an error model takes which needs no short trainings."""
    whole_s = seconds_of(config.time)
    bounds = (config.training.error_model_share, _FITS_SHARE, _FITS_S / whole_s if whole_s else 1.0)
    return min(bounds)


def _is_reviewed(case: Case) -> bool:
    try:
        return is_reviewed_to_the_end(case)
    except JobError:
        # The training that learns from it reports it.
        return False


def _steps(config: TrainConfig) -> int:
    return config.training.pretraining_steps + config.training.self_training_steps
