"""Inference as a plain library call: decode, check, predict, bisect, encode. It starts no process, knows no broker.

loaded = load(registry.fetch("iris", 3))
predict_batch(loaded, "predict", JSON, [b"[[5.1, 3.5, 1.4, 0.2]]", b"[[1]]"], Limits())
# [Ok(b"[0]"), Failed(Code.INVALID_INPUT, "…")]
"""

from predictq_worker.inference.answers import Answer, Failed, Limits, Ok, Predicted
from predictq_worker.inference.batch import predict_batch
from predictq_worker.inference.content import decode, response_content_type
from predictq_worker.inference.errors import BadBody

__all__ = [
    "Answer",
    "BadBody",
    "Failed",
    "Limits",
    "Ok",
    "Predicted",
    "decode",
    "predict_batch",
    "response_content_type",
]
