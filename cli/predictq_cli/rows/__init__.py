"""Rows from files, pipes and the command line, read without pandas and only as far as needed."""

from predictq_cli.rows.source import Source, open_rows

__all__ = ["Source", "open_rows"]
