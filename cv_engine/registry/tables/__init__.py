"""Tables of this machine: files to import, encryption, lookups."""
