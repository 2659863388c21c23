"""The words of a notice: the texts, the place, and the car parks nearby."""
