"""The queue's schema, step by step."""
