"""RFC 3161 timestamps of sealed manifests: a third party's proof of when a package existed."""
