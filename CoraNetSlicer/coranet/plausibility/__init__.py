"""Whether a result can be believed without knowing the truth: what is measured of a scan, against the training's."""
