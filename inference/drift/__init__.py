"""Measures whether recent predictions still look like those on the held-out texts."""
