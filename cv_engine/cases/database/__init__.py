"""The database behind the queue: tables, triggers, migrations, and what its errors mean."""
