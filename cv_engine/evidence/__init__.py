"""Evidence that stands on its own: stills, clip, place, time, hashes and a signature.

`package.write` makes a package, `verify.verify` checks one.
"""
