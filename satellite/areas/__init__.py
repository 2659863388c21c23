"""Areas that are compared again and again: the periodic run and its cases."""
