"""Pages for people, rendered here (Jinja2)."""
