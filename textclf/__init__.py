"""The `textclf` command: one file for each subcommand, which parses, delegates and prints."""
