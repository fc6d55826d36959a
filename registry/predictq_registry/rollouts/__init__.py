"""A release on its way to an alias: shares, guards and verdicts, experiments, and what was seen of them."""
