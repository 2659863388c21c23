"""Training pairs for the verifier, composed and real, and what is measured on them."""
