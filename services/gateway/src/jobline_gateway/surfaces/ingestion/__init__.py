"""The database queue: projects, the records that are loaded into them, search, and the queues behind it."""
