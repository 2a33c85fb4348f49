"""A trained network applied to scans: windows, network, scan's own grid, result."""
