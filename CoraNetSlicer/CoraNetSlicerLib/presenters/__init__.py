"""What the panel shows and does, without widgets: each section's state and actions."""
