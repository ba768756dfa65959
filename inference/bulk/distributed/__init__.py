"""Score files on many Lambda functions: the client, and the steps of the state machine."""
