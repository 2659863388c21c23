"""The control process: places cameras on workers and publishes their status."""
