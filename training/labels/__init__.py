"""What is wrong with labels."""
