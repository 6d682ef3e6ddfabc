"""What a person reads of a run: a table on the terminal, curves, and one self-contained page."""
