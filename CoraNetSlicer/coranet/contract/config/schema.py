"""Every setting of the engine. A setting is named by its path, for example ``training.learning_rate``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Optional

from ..errors import ConfigError
from .presets import DEFAULT_PRESET, preset_path, read_preset
from .settings import Section, setting
from .time_budget import checked_time

Triple = tuple[float, float, float]
_STEPS = ("training.pretraining_steps", "training.self_training_steps")
METHODS = ("coranet", "supervised", "pseudo_label", "mean_teacher", "ua_mt", "vat", "umct", "advnet")


@dataclass(frozen=True)
class NetworkConfig(Section):
    """Shape of the network."""

    backbone: str = setting(
        "auto", "Network family: 'unet' sees single slices, 'vnet' and 'resnet18' see volumes; 'auto' takes 'unet' "
        "for thin stacks of thick slices, else 'vnet'.",
        paper="U-Net (2D), V-Net and ResNet-18 (3D)", choices=("auto", "unet", "vnet", "resnet18"),
    )  # fmt: skip
    base_filters: Optional[int] = setting(
        None, "Channels at full resolution; doubled at each level. More channels learn more and cost more. null: 8 "
        "for volumes, 16 for slices.", paper="16 (V-Net), 64 (U-Net)", range=(2, 128),
    )  # fmt: skip
    levels: int = setting(4, "Resolution levels of encoder and decoders.", paper="5", range=(2, 6))
    normalization: str = setting(
        "batch", "Normalization after each convolution.", paper="batch", choices=("batch", "instance")
    )
    decoders: str = setting(
        "three", "Decoders: 'three' full ones, one for each head; or a single one, read by three output 'branches' "
        "(a convolution and a classifier each) or three 'classifiers'. Cheaper in this order.",
        paper="three", choices=("three", "branches", "classifiers"),
    )  # fmt: skip
    stem: str = setting(
        "full", "First level: at 'full' resolution, or 'folded': blocks of 2 x 2 (x 2) voxels become channels, and "
        "logits become voxels again; several times faster on a CPU.", paper="full", choices=("full", "folded"),
    )  # fmt: skip
    dropout: float = setting(
        0.0, "Share of feature channels left out at random during training, at the coarsest level and at the output.",
        range=(0, 0.9),
    )  # fmt: skip


@dataclass(frozen=True)
class DataConfig(Section):
    """From scans to patches."""

    spacing_mm: Optional[Triple] = setting(
        None, "Spacing left-right, front-back, up-down that scans are resampled to; null: median of the labeled scans.",
        unit="mm", paper="1 (CT pancreas)", range=(0.01, 100),
    )  # fmt: skip
    size_kji: Optional[tuple[int, int, int]] = setting(
        None, "Voxels up-down, front-back, left-right that every scan is resampled to, whatever its spacing; 0: as "
        "spacing_mm says; null: no axis.", unit="voxels", paper="0, 256, 256 (ACDC)", range=(0, 4096),
    )  # fmt: skip
    intensity: str = setting(
        "auto", "Intensity normalization: 'zscore' within each scan, 'window' of fixed limits, or 'auto': "
        "a window where intensities are Hounsfield units, else zscore.",
        paper="window (CT), zscore (MR)", choices=("auto", "zscore", "window"),
    )  # fmt: skip
    intensity_window: Optional[tuple[float, float]] = setting(
        None, "Lower and upper limit of the window; with several channels, of the CT channels only. null: 0.5 and "
        "99.5 percentile inside the labeled foreground.",
        unit="scan units", paper="-125 to 275 HU (pancreas, 3D)",
    )  # fmt: skip
    patch_size_kji: Optional[tuple[int, int, int]] = setting(
        None, "Patch size up-down, front-back, left-right; null: chosen from the scans and patch_voxels.",
        unit="voxels", paper="96, 96, 96", range=(1, 1024),
    )  # fmt: skip
    patch_voxels: Optional[int] = setting(
        None, "Most voxels of an automatically chosen patch; null: as many as the free memory allows, up to 884736. "
        "Fewer are taken if memory is short.", unit="voxels", paper="884736", range=(512, 16_777_216),
    )  # fmt: skip
    coarse_stage: str = setting(
        "auto", "Whether a small network first finds the structures in the whole scan at coarse spacing, so that the "
        "fine one segments only boxes around them: 'on', 'off', or 'auto': if the boxes are less than about a third "
        "of a large scan.", paper="off", choices=("auto", "on", "off"),
    )  # fmt: skip
    coarse_margin_mm: Optional[float] = setting(
        None, "Margin of the boxes around what was found; null: 10 mm (30 mm within slices that are segmented one by "
        "one) or two coarse voxels, whichever is more, and more if labels were missed.", unit="mm", range=(0, 500),
    )  # fmt: skip
    foreground_patches: float = setting(
        0.67, "Share of labeled patches that are centred on a labeled voxel.", range=(0, 1)
    )
    reviewed_patches: float = setting(
        0.5, "Share of unlabeled patches centred on a decided voxel of a reviewed case, if there is one.",
        range=(0, 1),
    )  # fmt: skip
    validation_cases: Optional[int] = setting(
        None, "Labeled cases set aside for validation if the datalist names none; null: a tenth, but none of fewer "
        "than 20.", unit="cases", range=(0, 1000),
    )  # fmt: skip
    unusable_unlabeled: str = setting(
        "leave_out", "What to do with an unlabeled case that cannot be used (missing, damaged, a single slice): "
        "'leave_out' reports it and trains without it, 'refuse' stops. All labeled cases must be usable.",
        choices=("leave_out", "refuse"),
    )  # fmt: skip
    cache_folder: str = setting(
        "", "Folder for prepared scans that several jobs share; never removed. Empty: in the job, removed at its "
        "end.",
    )  # fmt: skip


@dataclass(frozen=True)
class AugmentationConfig(Section):
    """Random changes of training patches."""

    rotation_degrees: float = setting(
        20.0, "Largest rotation about each axis.", unit="degrees", paper="used, amount not given", range=(0, 180)
    )
    slice_rotation_degrees: Optional[float] = setting(
        None, "Largest rotation within slices that are segmented one by one; null: as rotation_degrees.",
        unit="degrees", range=(0, 180),
    )  # fmt: skip
    scaling: float = setting(0.25, "Largest relative change of size.", paper="used, amount not given", range=(0, 0.9))
    flip_axes: tuple[str, ...] = setting(
        (), "Axes that may be mirrored: L (left-right), P (front-back), S (up-down). Leave out axes whose two sides "
        "have different labels.", paper="all", choices=("L", "P", "S"),
    )  # fmt: skip
    gamma: float = setting(0.4, "Largest relative change of contrast by a power law.", range=(0, 0.9))
    brightness: float = setting(0.3, "Largest relative change and largest shift of normalized intensity.", range=(0, 1))
    noise: float = setting(0.1, "Largest standard deviation of added noise, in normalized intensity.", range=(0, 1))
    blur_voxels: float = setting(0.7, "Largest standard deviation of smoothing.", unit="voxels", range=(0, 5))
    low_resolution: float = setting(
        2.0, "Largest factor by which a patch is downsampled and upsampled again; 1: never.", range=(1, 8)
    )


@dataclass(frozen=True)
class TrainingConfig(Section):
    """How CoraNet learns."""

    pretraining_steps: int = setting(
        500, "Steps on labeled cases alone, before the unlabeled ones join. Setting it switches off a preset's time.",
        unit="steps", paper="60 epochs", range=(0, 10_000_000),
    )  # fmt: skip
    self_training_steps: int = setting(
        1000, "Steps on labeled and unlabeled cases together. Setting it switches off a preset's time.", unit="steps",
        paper="200 epochs", range=(0, 10_000_000),
    )  # fmt: skip
    method: str = setting(
        "coranet", "How unlabeled cases teach: by CoraNet, or by one of the methods that it is compared with.",
        paper="CoraNet", choices=METHODS,
    )  # fmt: skip
    initial_model: str = setting(
        "", "Folder of a model, or of its training job, to continue from. Its network, patch size, preprocessing, "
        "labels and weights are used, and other settings of these are refused. Empty: from the start.",
    )  # fmt: skip
    labeled_batch_size: Optional[int] = setting(
        None, "Labeled patches a step; null: 2 volumes or 8 slices, fewer if memory is short.",
        unit="patches", paper="4", range=(1, 256),
    )  # fmt: skip
    unlabeled_batch_size: Optional[int] = setting(
        None, "Unlabeled patches a step; null: as many as labeled ones.", unit="patches", paper="4", range=(1, 256)
    )
    learning_rate: float = setting(5e-3, "Step size of Adam at the start.", paper="1e-3", range=(1e-8, 1))
    adam_betas: tuple[float, float] = setting(
        (0.9, 0.999), "Momentum terms of Adam.", paper="0.5, 0.999", range=(0, 0.99999)
    )
    learning_rate_schedule: str = setting(
        "cosine", "Learning rate over all steps: 'constant', half a 'cosine' wave down, (1 - t)^0.9 ('polynomial'), "
        "or 'one_cycle': up for a tenth of the steps, then half a cosine wave down.",
        paper="constant", choices=("constant", "cosine", "polynomial", "one_cycle"),
    )  # fmt: skip
    weight_decay: float = setting(1e-5, "Decoupled weight decay.", paper="0", range=(0, 1))
    misclassification_cost: float = setting(
        5.0, "Alpha: how many times more false foreground costs the conservative head, and missed foreground the "
        "radical head.", paper="5", range=(1, 1000),
    )  # fmt: skip
    certain_weight: float = setting(
        0.5, "Weight of the pseudo-label loss in the certain region.", paper="0.5", range=(0, 100)
    )
    certain_mask: str = setting(
        "certain", "Where pseudo-labels teach: in the 'certain' region, or everywhere ('none').",
        paper="certain", choices=("certain", "none"),
    )  # fmt: skip
    certain_caution: float = setting(
        0.0, "How far the heads must be from differing where pseudo-labels teach, as a natural logarithm of a "
        "misclassification cost; 0: they predict the same class. A higher value leaves more to the mean teacher.",
        paper="0", range=(0, 20),
    )  # fmt: skip
    pseudo_label_weight: str = setting(
        "none", "Weight of a pseudo-label: equal for all ('none'), or the teacher's 'confidence', its largest "
        "softmax.", paper="none", choices=("none", "confidence"),
    )  # fmt: skip
    deep_supervision: float = setting(
        0.0, "Weight of the supervised loss at each coarser level of the decoders, relative to the next finer one; "
        "0: only the finest level.", range=(0, 1),
    )  # fmt: skip
    reviewed_weight: float = setting(
        5.0, "Weight of a decided voxel of a review, relative to the other voxels of unlabeled patches.",
        range=(0.01, 1000),
    )  # fmt: skip
    uncertain_weight: float = setting(
        0.5, "Weight of the mean-teacher loss in the uncertain region, before consistency_weight and ramp-up.",
        paper="0.5", range=(0, 100),
    )  # fmt: skip
    consistency_weight: float = setting(
        0.1, "Weight of the mean-teacher loss after ramp-up.", paper="0.1", range=(0, 1000)
    )
    ramp_up_share: float = setting(
        0.2, "Share of the self-training steps over which the unlabeled losses grow to their full weight; with "
        "initial_model they start at full weight.",
        paper="40 of 200 epochs", range=(0, 1),
    )  # fmt: skip
    teacher_decay: float = setting(
        0.99, "Decay of the exponential moving average that is the teacher.", paper="0.99", range=(0, 0.99999)
    )
    teacher_decay_end: Optional[float] = setting(
        None, "The same at the last step, so that a late teacher averages over more students; its difference from 1 "
        "falls by the same factor each step. null: teacher_decay throughout.", range=(0, 0.99999),
    )  # fmt: skip
    averaged_share: float = setting(
        0.0, "Share of all steps, at the end, over which the teacher's weights are averaged for the model. With "
        "validation cases, only if the mean is at least as good as the best step. 0: none.", range=(0, 1),
    )  # fmt: skip
    teacher_noise: float = setting(
        0.05, "Standard deviation of the noise on the teacher's input.", paper="0", range=(0, 1)
    )
    student_views: str = setting(
        "one", "Views of each unlabeled patch from which CoraNet's student learns: 'one', changed in intensity, or "
        "'three': two of these, and the teacher's view with half of the features left out (UniMatch, Yang et al. "
        "2023). With three, the student sees twice as many patches.", paper="one", choices=("one", "three"),
    )  # fmt: skip
    pretraining_mixing: str = setting(
        "none", "Whether 'labeled' patches exchange boxes, image and labels, during pretraining (Bai et al. 2023).",
        paper="none", choices=("none", "labeled"),
    )  # fmt: skip
    mixing: str = setting(
        "labeled", "Which patches exchange boxes before the student sees them: each unlabeled one with a 'labeled' "
        "one (Bai et al. 2023), 'unlabeled' ones among themselves (French et al. 2020), or 'none'.",
        paper="none", choices=("none", "unlabeled", "labeled"),
    )  # fmt: skip
    mixing_share: float = setting(1.0, "Share of self-training steps in which boxes are exchanged.", range=(0, 1))
    pseudo_label_source: str = setting(
        "teacher", "Source of the certain region and the pseudo-labels: the 'teacher' of each step, or the teacher "
        "of the last refresh ('refreshed').",
        paper="network of the last refresh", choices=("teacher", "refreshed"),
    )  # fmt: skip
    refresh_steps: int = setting(
        100, "Steps between refreshes of the pseudo-labels, if pseudo_label_source is 'refreshed'.",
        unit="steps", paper="5 epochs", range=(1, 1_000_000),
    )  # fmt: skip
    validation_interval: Optional[int] = setting(
        None, "Steps between validations; null: so that they take a twentieth of the time, or every 100 if no time "
        "is set.", unit="steps", range=(1, 1_000_000),
    )  # fmt: skip
    checkpoint_interval: Optional[int] = setting(
        None, "Steps between checkpoints, the most that can be lost; null: about two minutes, or 100 if no time is "
        "set.", unit="steps", range=(1, 1_000_000),
    )  # fmt: skip
    snapshot_interval: Optional[int] = setting(
        0, "Steps between snapshots of the certain and uncertain region of an unlabeled case; 0: none; null: a "
        "twentieth of all steps.", unit="steps", range=(0, 1_000_000),
    )  # fmt: skip
    error_model: str = setting(
        "auto", "Whether the training ends with an error model, which learns where the result is wrong from labeled "
        "cases that the network has not learned from. 'auto': if at least four cases validate or were fully reviewed. "
        "'on': short trainings also leave labeled cases out. 'off': never.",
        paper="off", choices=("auto", "on", "off"),
    )  # fmt: skip
    error_model_share: float = setting(
        0.25, "Share of the whole training that the error model may take.", range=(0.01, 0.5)
    )
    error_tolerance_mm: Optional[float] = setting(
        None, "A wrong voxel farther than this from the true boundary is a deep error. An error model promises a "
        "share of these. null: 1 mm (less if voxels are finer than 0.3 mm), or a voxel if that is larger.",
        unit="mm", range=(0, 100),
    )  # fmt: skip
    quality_reference: str = setting(
        "on", "Whether the model keeps typical traits of its training scans, so that results are rated and unlike "
        "scans get a warning.", choices=("on", "off"),
    )  # fmt: skip
    snapshot_case: str = setting("", "Name of the case for snapshots; empty: the first unlabeled one.")
    log_interval: int = setting(10, "Steps between reported losses.", unit="steps", range=(1, 1_000_000))


@dataclass(frozen=True)
class InferenceConfig(Section):
    """How a trained model is applied."""

    former_names: ClassVar[Mapping[str, str]] = {"promised_share": "error_coverage"}

    overlap: Optional[float] = setting(
        None, "Overlap of neighbouring windows. null: a quarter; a half with instance "
        "normalization, whose windows are not larger than patches.", unit="share of the patch", range=(0, 0.9),
    )  # fmt: skip
    window_batch: Optional[int] = setting(
        None, "Windows computed at once. null: as many as keep the device busy.", range=(1, 256)
    )
    caution: Optional[float] = setting(
        None, "The dial: natural logarithm of the factor on the heads' misclassification costs; a higher value flags "
        "more as uncertain. null: the value set on validation cases and stored in the model.", range=(-20, 20),
    )  # fmt: skip
    doubt: str = setting(
        "auto", "Source of the uncertainty map and the uncertain region: the 'heads', as in the paper, or 'auto': "
        "the model's error model, if it has one.", paper="heads", choices=("auto", "heads"),
    )  # fmt: skip
    error_coverage: float = setting(
        0.8, "Share of the deep errors that the uncertain region is expected to contain, for a model with an error "
        "model and without a set caution. The number of cases decides which share is promised.",
        choices=(0.8, 0.9, 0.95),
    )  # fmt: skip
    mirroring: str = setting(
        "off", "Whether the result is a mean over mirrored views of the scan, along all axes along which the "
        "training mirrored patches (augmentation.flip_axes), in all combinations: 2, 4 or 8 times the time.",
        choices=("off", "on"),
    )  # fmt: skip
    rotated_views: str = setting(
        "auto", "Whether the result is a mean over three views of the scan: unrotated, and rotated by 30 degrees "
        "either way, or by less if the training rotated patches less. It takes three times the network's time. "
        "Slices that are segmented one by one are rotated in their plane, other scans about the vertical axis. "
        "'auto': slices, and 3D scans of at most 4 million voxels at the working spacing.",
        paper="off", choices=("auto", "on", "off"),
    )  # fmt: skip
    largest_component: str = setting(
        "auto", "Whether a result keeps only one connected component of each class, the one in which the "
        "conservative head agrees most: 'on', 'off', or 'auto': for classes that are one component in every labeled "
        "case of the training.",
        choices=("auto", "on", "off"),
    )  # fmt: skip


@dataclass(frozen=True)
class MachineConfig(Section):
    """What it runs on."""

    device: str = setting(
        "auto", "Where to compute; 'auto' takes the best available.", choices=("auto", "cuda", "mps", "cpu")
    )
    devices: int = setting(
        1, "Graphics cards (on a CPU: processes) that share the work; 0: all graphics cards.", range=(0, 1024)
    )
    precision: str = setting(
        "auto", "Number format of the network: 'float32', 'bfloat16', 'float16' (with scaled gradients, on CUDA), or "
        "'auto': bfloat16 if the device is faster with it, float16 on other CUDA cards, else float32.",
        choices=("auto", "float32", "bfloat16", "float16"),
    )  # fmt: skip
    threads: int = setting(0, "CPU threads; 0: one for each core.", range=(0, 1024))


@dataclass(frozen=True)
class TrainConfig(Section):
    """Everything a training job needs to know."""

    preset: str = DEFAULT_PRESET
    time: str = setting(
        "", "How long the training may take, such as '20 min', '1 h' or '90 s'. CoraNet plans spacing, patch, "
        "network, batch and steps for it on this machine; the two numbers of steps only give their ratio. Empty: as "
        "many steps as are set.",
    )  # fmt: skip
    plan_of: str = setting(
        "", "Folder of a training job whose plan is used unchanged: spacing, patch, network, batch and steps. For "
        "comparisons; a time then plans nothing. Empty: a plan of its own.",
    )  # fmt: skip
    seed: int = setting(
        0, "Start of all random numbers; the same seed gives the same model on a CPU.", range=(0, 2**31 - 1)
    )
    network: NetworkConfig = NetworkConfig()
    data: DataConfig = DataConfig()
    augmentation: AugmentationConfig = AugmentationConfig()
    training: TrainingConfig = TrainingConfig()
    inference: InferenceConfig = InferenceConfig()
    machine: MachineConfig = MachineConfig()

    def __post_init__(self) -> None:
        object.__setattr__(self, "time", checked_time(self.time))
        super().__post_init__()

    @staticmethod
    def from_preset(name: str = DEFAULT_PRESET, overrides: Optional[Mapping[str, Any]] = None) -> TrainConfig:
        """The configuration of a preset file, with single settings changed.

        Args:
            name: file name in Resources/Presets without its ending, or the path of a JSON file.
            overrides: setting path -> value.

        Raises:
            ConfigError: no such preset, an unknown setting, or a value out of range.
        """
        path = preset_path(name)
        content = {**read_preset(path), "preset": path.stem}
        content.pop("description", None)
        return TrainConfig.from_dict(content, source=path).with_overrides(overrides or {})

    def with_overrides(self, overrides: Mapping[str, Any]) -> TrainConfig:
        """A copy with some settings changed; see `Section.with_overrides`.

        A number of steps that is set switches a time off that was not set with it.

        Raises:
            ConfigError: unknown name, value out of range, or both a time and a number of steps.
        """
        steps = [name for name in _STEPS if name in overrides]
        if steps and overrides.get("time"):
            raise ConfigError(f"'time' and '{steps[0]}' both set how long the training takes; leave one of them out.")
        return super().with_overrides({**overrides, "time": ""} if steps else overrides)


@dataclass(frozen=True)
class SegmentConfig(Section):
    """Everything a segmentation job needs to know."""

    model: str = setting("", "Folder of a trained model, or of the training job that made it.")
    inference: InferenceConfig = InferenceConfig()
    machine: MachineConfig = MachineConfig()
    surfaces: bool = setting(
        False, "Whether to write closed surfaces of result, overlays and uncertain region for 3D views; needs vtk.",
    )  # fmt: skip
    regions: bool = setting(True, "Whether to find, describe and rank the uncertain regions one by one, for a review.")
    quality: bool = setting(
        True, "Whether results are rated good, look or poor, and scans unlike those of the training get a warning, "
        "if the model keeps typical traits of these.",
    )  # fmt: skip
    compare_uncertainties: bool = setting(
        False, "Whether an evaluation also measures other uncertainties: softmax, dropout, test-time augmentation, "
        "chance. The result's own uncertainty is then that of the heads, as in the paper.",
    )  # fmt: skip
