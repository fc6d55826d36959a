"""`predictq demo`: two releases of one model, a live swap under load, and every answer checked."""
