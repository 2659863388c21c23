"""What benchmarks share: programs under test, planted events, recordings and scores."""
