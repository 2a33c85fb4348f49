"""The plan of another training, taken over as it is: methods are compared with the same network, patch and steps."""

from __future__ import annotations

from dataclasses import replace

from ..contract import Datalist, Job
from ..contract.config import TrainConfig
from ..contract.errors import ConfigError, DataError
from ..contract.files import read_json
from .plan import Plan


def plan_taken_over(config: TrainConfig, datalist: Datalist) -> Plan | None:
    """The plan of the training that `plan_of` names; None: it names none.

    Args:
        config: of the training that takes the plan over.
        datalist: its cases, of the same kind as those of the other one.

    Raises:
        ConfigError: the other training has no plan yet.
        JobError: there is no such training, or its plan cannot be read.
        DataError: it was made for another number of labels or channels.
    """
    if not config.plan_of:
        return None
    path = Job.open(config.plan_of).plan_path
    if not path.exists():
        raise ConfigError(f"'{config.plan_of}' has no plan to take over yet; train there first, or leave out plan_of.")
    plan = Plan.from_dict(read_json(path))
    made_for = plan.architecture.classes - 1, plan.architecture.in_channels
    here = len(datalist.labels), len(datalist.channel_names)
    if made_for != here:
        raise DataError(
            f"the plan of '{config.plan_of}' is for {made_for[0]} labels and {made_for[1]} channels, the datalist has "
            f"{here[0]} and {here[1]}; take over the plan of a training on such cases."
        )
    return replace(plan, history=(), reviewed_regions=None)
