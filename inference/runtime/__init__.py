"""What the Lambda functions share: settings, logs and metrics, traces."""

from inference.runtime.powertools import defer_packages

defer_packages()
