"""The scene: what goes out of it into a job, and what comes in."""
