"""The load generator. It runs in each contender's own environment, so it needs nothing but Python."""
