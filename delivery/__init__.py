"""What is done to a deployed stack beside `sam deploy`: ask it, take it back."""
