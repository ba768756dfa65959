"""Check deployments: a new version before it gets traffic, the live one on schedule."""
