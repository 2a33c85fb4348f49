"""Pages that need nothing but themselves: HTML, charts as SVG, slices of scans as PNG."""
