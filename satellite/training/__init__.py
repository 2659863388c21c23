"""Fine-tunes change networks on a city's own labels and verdicts; needs torch, unlike the rest."""
