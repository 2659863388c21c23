"""The frame and the look that the program's HTML reports share."""
