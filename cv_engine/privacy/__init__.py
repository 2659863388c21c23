"""Privacy: what may be handed out and seen, how long it is kept, and what a person may ask for."""
