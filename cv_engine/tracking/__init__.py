"""What stands still, through gaps, occlusion and class flips."""
