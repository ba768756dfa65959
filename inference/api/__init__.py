"""The HTTP API: a Lambda handler, and the pages that it serves."""
