"""Fine-tunes change networks on a city's own labels and verdicts; the only part that needs torch."""
