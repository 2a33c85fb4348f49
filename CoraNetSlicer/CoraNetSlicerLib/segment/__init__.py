"""Segment: which model segments which scans, and the results as they come."""
