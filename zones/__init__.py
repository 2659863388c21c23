"""Where violations are watched for, and how a camera's pixels lie on the ground."""
