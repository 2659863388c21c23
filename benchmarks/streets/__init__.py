"""One morning of a street: its cars, their drivers, the officer, and the gateway of the notices."""
