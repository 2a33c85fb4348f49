"""What a training decides before its first step."""
