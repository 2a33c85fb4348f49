"""Train: settings, start, watching, curves and snapshots of a training."""
