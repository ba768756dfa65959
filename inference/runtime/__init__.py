"""What the Lambda functions share: settings, logs and metrics, traces."""
