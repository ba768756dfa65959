"""Score files: read rows, classify them on every core or many Lambda functions, write them."""
