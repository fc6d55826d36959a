"""Ask models for predictions over a message queue.

from predictq import Client

with Client("redis://localhost:6379/0") as client:
    client.predict("iris", [[5.1, 3.5, 1.4, 0.2]]).outputs
"""

from predictq.async_client import AsyncClient
from predictq.blocking import PredictionFuture
from predictq.client import Client
from predictq.errors import (
    Cancelled,
    Conflict,
    DeadLettered,
    DeadlineExceeded,
    Internal,
    InvalidInput,
    ModelError,
    ModelUnavailable,
    PredictqError,
    QueueFull,
    Refused,
    TooLarge,
    Unavailable,
    UnknownModel,
    UnsupportedProtocol,
)
from predictq.prediction import Prediction
from predictq.result_message import ResultMessage
from predictq.settings import Settings
from predictq.subscriber import Subscriber

__all__ = [
    "AsyncClient",
    "Cancelled",
    "Client",
    "Conflict",
    "DeadLettered",
    "DeadlineExceeded",
    "Internal",
    "InvalidInput",
    "ModelError",
    "ModelUnavailable",
    "Prediction",
    "PredictionFuture",
    "PredictqError",
    "QueueFull",
    "Refused",
    "ResultMessage",
    "Settings",
    "Subscriber",
    "TooLarge",
    "Unavailable",
    "UnknownModel",
    "UnsupportedProtocol",
]
