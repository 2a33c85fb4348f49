"""A folder of results at a glance: what is uncertain, how much, and where; as a page and a table."""
