"""Train and retrain on SageMaker."""
