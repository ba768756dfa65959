"""What every Lambda function here shares: settings, logs and metrics, traces."""
