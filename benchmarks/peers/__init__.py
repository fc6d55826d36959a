"""One file for each contender: its worker and its client, as its own documentation sets them up for speed.

Each runs in an environment of its own, so each imports its own library and nothing of its neighbours.
"""
