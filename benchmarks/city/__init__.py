"""A small made-up city: its classes and limits, its streets and cameras, and a month of cases."""
