"""Who else starts a child process for each run. Each in an environment of its own, on the same durable PostgreSQL."""
