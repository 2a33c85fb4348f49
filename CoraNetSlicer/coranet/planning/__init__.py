"""What a training decides before its first step: a plan for the time there is, or for the steps that are set."""
