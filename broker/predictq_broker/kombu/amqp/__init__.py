"""A link to RabbitMQ by AMQP 0-9-1: py-amqp for the conversation, frames of our own where messages pass."""

from predictq_broker.kombu.amqp.address import Address
from predictq_broker.kombu.amqp.link import AmqpLink

__all__ = ["Address", "AmqpLink"]
