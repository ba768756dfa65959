"""The Lambda handler of the HTTP API."""
