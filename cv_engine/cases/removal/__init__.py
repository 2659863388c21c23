"""What is deleted: evidence by the retention rules, and personal data at a person's request."""
