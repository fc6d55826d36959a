"""The embedded engine: one SQLite file, shared by the processes of one machine, with no server.

The tables are described once, in `sql/schema.sql`; each statement has its own file beside it, named as a verb.
"""

from predictq_broker.sqlite.broker import SqliteBroker

__all__ = ["SqliteBroker"]
