"""Score files on many Lambda functions: the client, and the steps of a Step Functions map."""
