"""Which Python runs the engine, whether it works, and how it is installed or fixed."""
