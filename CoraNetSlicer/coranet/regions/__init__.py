"""The uncertain regions of a segmented case: found, described, ranked, written, decided."""
