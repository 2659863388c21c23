"""The report on cases: one HTML file with pictures, map sketches and histories."""
