"""Review: overlays of a result, its uncertain regions one by one, and teaching back."""
