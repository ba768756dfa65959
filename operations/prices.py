"""AWS list prices in USD, us-east-1, first tier, without the free tier.

Written down on 2026-11-21 without a look at AWS's own pages, which could not be reached: those
of Lambda on demand, DynamoDB's writes, Step Functions and CloudWatch after stored copies and
quotations of the pages named here, the others from memory. Look there before money depends on one.
A month is AWS's 730 hours.
"""

from typing import Final

REGION: Final = "us-east-1"
HOURS_IN_MONTH: Final = 730

# Lambda, by architecture ("AWS Lambda Pricing")
LAMBDA_GB_SECOND: Final = {"x86_64": 0.0000166667, "arm64": 0.0000133334}
LAMBDA_REQUEST: Final = 0.20 / 1e6
# Environments kept warm: what they cost by being there, and what work in them costs then.
LAMBDA_PROVISIONED_GB_SECOND: Final = {"x86_64": 0.0000041667, "arm64": 0.0000033334}
LAMBDA_WORK_IN_PROVISIONED_GB_SECOND: Final = {"x86_64": 0.0000097222, "arm64": 0.0000077778}

# HTTP API; a request of over 512 KB counts as several ("Amazon API Gateway pricing")
HTTP_API_REQUEST: Final = 1.00 / 1e6

# S3 Standard ("Amazon S3 pricing")
S3_GET: Final = 0.0004 / 1e3
S3_PUT: Final = 0.005 / 1e3  # also COPY, POST and LIST
S3_GB_MONTH: Final = 0.023

# DynamoDB, on demand; an item of up to 1 KB is one write ("Pricing for On-Demand Capacity")
DYNAMODB_WRITE: Final = 0.625 / 1e6
DYNAMODB_GB_MONTH: Final = 0.25
DYNAMODB_RECOVERY_GB_MONTH: Final = 0.20  # point in time

# Step Functions ("AWS Step Functions Pricing")
STEP_FUNCTIONS_STANDARD_TRANSITION: Final = 0.025 / 1e3
STEP_FUNCTIONS_EXPRESS_REQUEST: Final = 1.00 / 1e6
STEP_FUNCTIONS_EXPRESS_GB_SECOND: Final = 0.00001667

# CloudWatch ("Amazon CloudWatch Pricing"); metrics in the embedded metric format are custom
# metrics, counted by name and dimensions, for the hours in which they get values
LOGS_INGESTED_GB: Final = 0.50
LOGS_STORED_GB_MONTH: Final = 0.03
CUSTOM_METRIC_MONTH: Final = 0.30
ALARM_MONTH: Final = 0.10
DASHBOARD_MONTH: Final = 3.00

# X-Ray ("AWS X-Ray pricing")
XRAY_TRACE: Final = 5.00 / 1e6

# Secrets Manager ("AWS Secrets Manager Pricing")
SECRET_MONTH: Final = 0.40
SECRET_CALL: Final = 0.05 / 1e4

# Private repositories of ECR ("Amazon Elastic Container Registry pricing")
ECR_GB_MONTH: Final = 0.10

# Out to the internet ("Amazon EC2 On-Demand Pricing: Data Transfer")
TRANSFER_OUT_GB: Final = 0.09

# SageMaker, one instance of a real-time endpoint ("Amazon SageMaker AI pricing")
SAGEMAKER_ENDPOINT_HOUR: Final = {"ml.t2.medium": 0.056, "ml.m5.large": 0.115}
