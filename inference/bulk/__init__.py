"""Offline scoring of files: reads rows, classifies them on every core, writes a table."""
