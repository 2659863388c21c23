"""Areas whose images are compared periodically: the run over their dates, and its cases."""
