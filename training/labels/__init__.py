"""Find and fix what is wrong with labels."""
