"""Data: which volumes and segmentations are the cases, and what is wrong with them."""
