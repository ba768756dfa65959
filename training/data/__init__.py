"""Read labelled texts, and split them without leakage."""
