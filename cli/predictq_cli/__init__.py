"""The `predictq` command: publish, serve, ask, look, repair."""
