"""The Lambda authorizer of the access mode api-key."""
