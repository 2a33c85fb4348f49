"""The process of a job: how it starts, alone or as a team, what it owes to its parent, and how it stops."""
