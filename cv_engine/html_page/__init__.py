"""The frame and the style that the program's HTML reports share."""
