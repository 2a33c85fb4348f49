"""From scans on disk to patches for training, and back."""
