"""The widgets. Only these files import qt."""
