"""The verifier: whether a region that has come to rest shows a real thing; see its README."""

from models.verifier.verifier import Region, Verifier, open_verifier

__all__ = ["Region", "Verifier", "open_verifier"]
