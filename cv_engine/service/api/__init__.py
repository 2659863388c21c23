"""The API under ``/api``: what officers do in a browser, and other programs over HTTP."""
