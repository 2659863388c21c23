"""The outbox: every entry of the history reaches the programs and people outside."""
