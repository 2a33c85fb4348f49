"""The command line: its parser, settings as arguments, the arguments beside --resume, what a terminal shows."""
