"""Where evidence packages are kept: folders and object storage."""
