"""CoraNet's two stages of training, and the loop around them."""
