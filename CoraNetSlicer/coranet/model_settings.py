"""The settings of a segmentation that depend on what its model offers."""

from __future__ import annotations

from dataclasses import replace

from .contract import ErrorModelCard, ModelCard
from .contract.config import SegmentConfig
from .contract.doubt import DEFAULT_SHARE
from .contract.errors import ConfigError, ModelError
from .data.spatial import ARRAY_AXIS
from .error_model import ErrorModel
from .inference.doubt import Dial, KeptComponents
from .inference.views import Views
from .model_package import ModelPackage


def error_model_in_use(config: SegmentConfig, package: ModelPackage) -> ErrorModel | None:
    """Whose doubt is shown: None is that of the heads, with which other uncertainties are compared."""
    is_enabled = config.inference.doubt == "auto" and not config.compare_uncertainties
    return ErrorModel.read(package.folder) if is_enabled else None


def dial_of(config: SegmentConfig, package: ModelPackage, error_model: ErrorModelCard | None) -> Dial:
    """Where the dial stands: from the configuration, else by the error model, else as the heads were trained.

    Raises:
        ConfigError, ModelError: a share of the errors is set beside a caution, or for a model without an error model.
    """
    caution, share = config.inference.caution, config.inference.error_coverage
    is_explicit = share != DEFAULT_SHARE
    if caution is not None:
        if is_explicit:
            raise ConfigError(
                "inference.caution and inference.error_coverage both say how much is uncertain; leave one of them out."
            )
        return Dial(caution)
    promise = None if error_model is None else error_model.promise(share)
    if is_explicit and promise is None:
        raise ModelError(
            f"the model '{package.folder}' has no error model in use that knows where {100 * share:g} % of the errors "
            "are; leave inference.error_coverage out, or set inference.caution."
        )
    if error_model is None:
        return Dial(float(package.card.get("caution") or 0.0))
    return Dial() if promise is None else Dial(None, promise.relative_size or 0.0)


def views_of(config: SegmentConfig, package: ModelPackage, card: ModelCard) -> Views:
    """How often the network looks at a scan; where uncertainties are compared, it is not rotated for one of them.

    Raises:
        ModelError: the model does not know mirrored or rotated scans.
    """
    setting = "off" if config.compare_uncertainties else config.inference.rotated_views
    spacing_dhw = package.preprocessing.spacing_mm[::-1]
    views = Views.rotated(setting, package.architecture, spacing_dhw, card.rotation_degrees)
    if setting == "on" and not views.degrees:
        raise ModelError(
            f"the model '{package.folder}' was trained without rotated patches, or does not say by how much, so "
            "inference.rotated_views cannot be on; leave it out."
        )
    return replace(views, mirrored_axes=_mirrored_axes(config, package, card))


def _mirrored_axes(config: SegmentConfig, package: ModelPackage, card: ModelCard) -> tuple[int, ...]:
    if config.inference.mirroring == "off":
        return ()
    if not card.mirrored_axes:
        raise ModelError(
            f"the model '{package.folder}' was trained without mirrored patches, so inference.mirroring is nothing for "
            "it; leave it off, or train with augmentation.flip_axes."
        )
    # Across slices that are looked at one by one there is nothing to mirror.
    axes = (ARRAY_AXIS[axis] for axis in card.mirrored_axes)
    return tuple(axis for axis in axes if axis != package.architecture.slice_axis)


def kept_components(config: SegmentConfig, package: ModelPackage, card: ModelCard) -> KeptComponents:
    """Of which classes only the largest component is kept."""
    setting, values = config.inference.largest_component, tuple(label.value for label in package.labels)
    if setting != "auto":
        return KeptComponents(values, values if setting == "on" else ())
    single = tuple(label.value for label in package.labels if label.name in card.single_component)
    return KeptComponents(values, single, card.hangs_together)
