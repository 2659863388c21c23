"""What the command line shows and how it ends: sessions, tables, progress, exit codes."""
