"""The logger, the one instance of the process: JSON lines with the request id, never a text."""

from aws_lambda_powertools import Logger

logger = Logger(service="classifier")
