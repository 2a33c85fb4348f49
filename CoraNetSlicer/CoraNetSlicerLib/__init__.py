"""The Slicer side of CoraNetSlicer: scene to job and back. Nothing here imports torch, monai or SimpleITK."""
