"""Whether this installation works (`coranet doctor`), and how one is made (`coranet install`)."""
