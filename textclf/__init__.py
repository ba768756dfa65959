"""The `textclf` command."""
