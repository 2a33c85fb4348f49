"""Which runs an experiment consists of: each method, with each seed, and each number of labeled cases."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from coranet.contract import Case, Datalist, Job, JobKind, Role
from coranet.contract.config import SegmentConfig, TrainConfig
from coranet.contract.config.schema import METHODS
from coranet.contract.config.settings import suggestion
from coranet.contract.errors import ConfigError, DataError
from coranet.data.datalist import with_labeled_cases, with_true_labels, with_validation_cases

from .parts import DEVELOPMENT, TEST, cases_of_part, is_even_numbered

BASELINE, UPPER_BOUND = "supervised", "fully_supervised"
_PLANNER = "coranet"

# Name -> settings: the methods, the paper's ablations, and the bound that knows the labels of all cases.
VARIANTS: dict[str, dict[str, str]] = {
    **{name: {"training.method": name} for name in METHODS},
    UPPER_BOUND: {"training.method": BASELINE},
    "segmentation": {"training.method": BASELINE},
    "coranet-no-mask": {
        "training.method": "coranet", "training.certain_mask": "none", "training.uncertain_weight": "0",
    },
    "coranet-certain": {"training.method": "coranet", "training.uncertain_weight": "0"},
    "coranet-uncertain": {"training.method": "coranet", "training.certain_weight": "0"},
}  # fmt: skip

_RESERVED = {"seed": "--seeds", "training.method": "--methods", "plan_of": "--time"}


@dataclass(frozen=True)
class Variant:
    """A method with its settings.

    Attributes:
        name: as it was asked for, for example ``coranet[training.certain_weight=1]``.
        base: the name without settings in brackets.
        settings: setting path -> value as text.
    """

    name: str
    base: str
    settings: Mapping[str, str]

    @property
    def folder_name(self) -> str:
        """Safe and short: settings in brackets become eight letters that stand for them."""
        if self.name == self.base:
            return self.base
        return f"{self.base}-{hashlib.sha256(self.name.encode()).hexdigest()[:8]}"


@dataclass(frozen=True)
class Question:
    """What an experiment was asked to do.

    Attributes:
        datalist: all cases, as the file names them.
        variants: the methods.
        seeds: of the runs.
        labeled: numbers of labeled cases; None: all of them.
        folder: where the experiment lies.
        preset: name or path.
        overrides: setting path -> value, for every run.
        truth: folder with the labels of the unlabeled cases, or None.
        part: the cases to measure on, one of `parts.PARTS`.
        compare_uncertainties: whether other uncertainties are measured, too.
        threads: of each run; None: as the settings say.
    """

    datalist: Datalist
    variants: Sequence[Variant]
    seeds: Sequence[int]
    labeled: Sequence[int | None]
    folder: Path
    preset: str
    overrides: Mapping[str, str] = field(default_factory=dict)
    truth: str | None = None
    part: str = TEST
    compare_uncertainties: bool = False
    threads: int | None = None


@dataclass(frozen=True)
class Run:
    """One training and its test.

    Attributes:
        variant: the method.
        labeled: number of labeled cases that was asked for, None: all.
        label_count: how many these are, before some are set aside for validation.
        seed: of the training, of the choice of labeled cases and of the split.
        folder: holds both jobs.
        train_config, train_cases: of the training.
        test_config, test_cases: of the test.
    """

    variant: Variant
    labeled: int | None
    label_count: int
    seed: int
    folder: Path
    train_config: TrainConfig
    train_cases: Datalist
    test_config: SegmentConfig
    test_cases: Datalist

    @property
    def planned_by(self) -> Job | None:
        """The training whose plan this one takes over; None: it makes its own."""
        return Job.open(self.train_config.plan_of) if self.train_config.plan_of else None

    @property
    def name(self) -> str:
        """For people: method, number of labeled cases, seed."""
        labeled = "" if self.labeled is None else f", {self.labeled} labeled"
        return f"{self.variant.name}{labeled}, seed {self.seed}"

    @property
    def train_folder(self) -> Path:
        """The training job."""
        return self.folder / "train"

    @property
    def test_folder(self) -> Path:
        """The segmentation job of the test cases."""
        return self.folder / "test"

    def training(self) -> Job:
        """The training job, made if it is not there.

        Raises:
            ConfigError: there is one with other settings or other cases.
        """
        return _same_job(self.train_folder, JobKind.TRAIN, self.train_config, self.train_cases)

    def test(self) -> Job:
        """The segmentation job, made if it is not there.

        Raises:
            ConfigError: there is one with other settings or other cases.
        """
        return _same_job(self.test_folder, JobKind.SEGMENT, self.test_config, self.test_cases)


def read_variants(text: str) -> list[Variant]:
    """The methods of a list such as ``supervised,coranet[training.certain_weight=1;network.decoders=branches]``.

    Raises:
        ConfigError: a method is unknown or named twice, or the brackets cannot be read.
    """
    variants = [_read_variant(word.strip()) for word in _split_outside_brackets(text)]
    names = [variant.name for variant in variants]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"--methods names '{name}' twice; leave one out.")
    return variants


def plan_runs(question: Question) -> list[Run]:
    """All runs, the seeds outermost: the first seed of every method is there early.

    Raises:
        DataError: cases are missing for what was asked.
        ConfigError: a setting cannot be used.
    """
    tested = cases_of_part(question.datalist, question.part, question.truth)
    if not question.datalist.with_role(Role.TRAINING):
        raise DataError("the datalist has no labeled case; add at least one {image, label} to 'training'.")
    for name, option in _RESERVED.items():
        if name in question.overrides:
            raise ConfigError(f"an experiment takes '{name}' from {option}; leave it out of --set.")
    runs = [
        _run(question, variant, labeled, seed, tested)
        for seed in question.seeds
        for labeled in question.labeled
        for variant in question.variants
    ]
    return _with_one_plan(runs)


def _with_one_plan(runs: Sequence[Run]) -> list[Run]:
    """The same runs; where a time is given, all take over the plan of the first run of CoraNet.

    Each method would plan other steps, patches and spacings for the same time, and one run other ones than the next.
    """
    if not any(run.train_config.time for run in runs):
        return list(runs)
    first = next((run for run in runs if run.variant.base == _PLANNER), runs[0])
    folder = str(first.train_folder.absolute())
    return [
        run if run is first else replace(run, train_config=replace(run.train_config, plan_of=folder)) for run in runs
    ]


def _run(question: Question, variant: Variant, labeled: int | None, seed: int, tested: tuple[Case, ...]) -> Run:
    config = _train_config(question, variant, seed)
    cases = _train_cases(question, variant, labeled, config)
    # The split is made here, the same for every method; a training must not set further cases aside.
    validation = len(cases.with_role(Role.VALIDATION))
    config = replace(config, data=replace(config.data, validation_cases=validation))
    parts = (variant.folder_name, "" if labeled is None else f"labeled{labeled}", f"seed{seed}")
    folder = question.folder / "runs" / "-".join(part for part in parts if part)
    test_config = SegmentConfig(
        model=str((folder / "train").absolute()),
        compare_uncertainties=question.compare_uncertainties,
        inference=config.inference,
        machine=config.machine,
    )
    test_cases = replace(question.datalist, cases=tested)
    available = len(question.datalist.with_role(Role.TRAINING))
    return Run(variant, labeled, labeled or available, seed, folder, config, cases, test_config, test_cases)


def _train_config(question: Question, variant: Variant, seed: int) -> TrainConfig:
    chosen: dict[str, Any] = {"data.cache_folder": str((question.folder / "cache").absolute())}
    # Methods are compared by what they learn in their time, and by the doubt of their heads.
    chosen["training.error_model"] = "off"
    if question.threads is not None:
        chosen["machine.threads"] = question.threads
    chosen.update(question.overrides)
    chosen.update(variant.settings)
    chosen["seed"] = seed
    return TrainConfig.from_preset(question.preset, chosen)


def _train_cases(question: Question, variant: Variant, labeled: int | None, config: TrainConfig) -> Datalist:
    """The cases of a training; the test cases are not among them."""
    datalist = question.datalist
    if labeled is not None:
        datalist = with_labeled_cases(datalist, labeled, config.seed)
    datalist = with_validation_cases(datalist, config.data.validation_cases, config.seed)
    if variant.base == UPPER_BOUND:
        if question.truth is None:
            raise ConfigError(
                f"'{UPPER_BOUND}' needs the labels of the unlabeled cases; give their folder with --truth, or leave it "
                "out of --methods."
            )
        datalist = _knowing_labels(datalist, question.truth, question.part)
    return replace(datalist, cases=tuple(case for case in datalist.cases if case.role is not Role.TEST))


def _knowing_labels(datalist: Datalist, truth: str, part: str) -> Datalist:
    """The unlabeled cases with their labels; those of the development part are left out, for it is measured on them."""
    if part == DEVELOPMENT:
        cases = (case for case in datalist.cases if case.role is not Role.UNLABELED or not is_even_numbered(case))
        datalist = replace(datalist, cases=tuple(cases))
    return with_true_labels(datalist, truth)


def _same_job(folder: Path, kind: JobKind, config: TrainConfig | SegmentConfig, cases: Datalist) -> Job:
    if not Job.exists(folder):
        return Job.create(folder, kind, config, cases)
    job = Job.open(folder)
    there = job.read_config()
    # How many threads a run may use depends on --jobs, which may be another one when it is resumed.
    same_threads = replace(config, machine=replace(config.machine, threads=there.machine.threads))
    if job.kind is not kind or there != same_threads:
        raise ConfigError(f"'{folder}' was made with other settings; choose another folder for --output.")
    if job.read_datalist() != cases:
        raise ConfigError(f"'{folder}' was made with other cases; choose another folder for --output.")
    return job


def _read_variant(word: str) -> Variant:
    match = re.fullmatch(r"([\w-]+)(?:\[(.*)\])?", word)
    if match is None:
        raise ConfigError(
            f"--methods expects names such as coranet or coranet[training.certain_weight=1], got '{word}'; correct it."
        )
    base, inside = match[1], match[2]
    if base not in VARIANTS:
        raise ConfigError(f"there is no method '{base}'{suggestion(base, VARIANTS)}; methods: {', '.join(VARIANTS)}.")
    settings = dict(VARIANTS[base])
    for pair in (inside or "").split(";"):
        name, equals, value = (part.strip() for part in pair.partition("="))
        if equals and name not in _RESERVED:
            settings[name] = value
        elif pair.strip():
            raise ConfigError(f"the method '{word}' expects setting=value in its brackets, got '{pair}'; correct it.")
    return Variant(word, base, settings)


def _split_outside_brackets(text: str) -> Iterator[str]:
    depth, start = 0, 0
    for at, letter in enumerate(text):
        depth += (letter == "[") - (letter == "]")
        if letter == "," and depth == 0:
            yield text[start:at]
            start = at + 1
    if text[start:].strip():
        yield text[start:]
