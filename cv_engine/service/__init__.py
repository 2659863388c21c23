"""The service: cases over HTTP, for officers in a browser and for other programs."""
