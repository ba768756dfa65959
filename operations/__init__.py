"""What is done with a stack beside `sam deploy`, the roles for it, and what it costs."""
