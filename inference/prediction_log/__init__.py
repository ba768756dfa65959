"""The prediction log: the API writes it; drift and the comparison of models read it."""
