"""Chaos: real producers, workers and a broker, harmed by faults drawn from a seed, and books that say what became of
every request.

    story       in
    ─────────   ────────────────────────────────────────────────────────────────────────────────
    who asks    producer.py, subscriber.py: real clients, each in a process of its own
    who works   worker.py: `predictq worker`; controls.py makes it unsafe on purpose
    where       actors.py, system.py: all of it started, and each part found, killed and replaced
    on what     engines/: what each engine's server is, and what can be done to it
    between     proxy.py: a TCP proxy that is slow, silent or cuts
    what harms  faults/: each does harm, undoes it, and proves that it happened
    in order    driver.py: one fault at a time, then pairs; then the rest is waited for
    what of it  books.py reads the journals; auditor.py judges; outcome.py, report.py tell

Run it: `make chaos ENGINE=redis MINUTES=10 SEED=1`.
"""
