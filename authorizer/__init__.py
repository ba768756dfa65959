"""Check API keys: the Lambda authorizer of ``Access=api-key``."""
