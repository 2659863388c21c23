"""A registry that another authority serves over HTTP."""
