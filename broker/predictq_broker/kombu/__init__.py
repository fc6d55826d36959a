"""The engine for RabbitMQ, and for every other queue that kombu speaks to."""

from predictq_broker.kombu.connect import PREFIX, kombu_broker, speaks

__all__ = ["PREFIX", "kombu_broker", "speaks"]
