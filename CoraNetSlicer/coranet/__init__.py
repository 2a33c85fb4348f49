"""CoraNet: semi-supervised segmentation that knows where it is unsure.

The engine of CoraNetSlicer. It never imports slicer, qt or ctk and works alone: ``python -m coranet --help``.
Method: Shi et al., "Inconsistency-aware Uncertainty Estimation for Semi-supervised Medical Image Segmentation",
IEEE Transactions on Medical Imaging, 2021.
"""

__version__ = "0.1.0"
