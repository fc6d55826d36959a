"""ONNX: a graph of operators without code, run by onnxruntime."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, ClassVar

from predictq_registry.runtimes.onnx_model import OnnxClassifier, OnnxModel
from predictq_registry.runtimes.runtime import Content, Runtime

if TYPE_CHECKING:
    from collections.abc import Sequence

    from predictq_registry.inputs.learn import Learnt

__all__ = ["Onnx"]

_NOWHERE = "/proc/nowhere"
"""A folder that cannot be: a model whose weights lie in other files does not load, for those were not verified."""


class Onnx(Runtime):
    """One .onnx file with all its weights: `predict`, and `predict_proba` if an output is named so."""

    name: ClassVar[str] = "onnx"
    endings: ClassVar[tuple[str, ...]] = (".onnx",)
    libraries: ClassVar[tuple[str, ...]] = ("onnxruntime",)
    tolerance: ClassVar[float] = 1e-4

    def runs_code(self, content: Content) -> bool:
        """Never: operators that onnxruntime does not bring are refused by it."""
        del content
        return False

    def load(self, content: Content) -> object:
        """See `Runtime`. As many threads as OpenMP may have, and none that spins while it waits."""
        import onnxruntime

        options: Any = onnxruntime.SessionOptions()
        options.intra_op_num_threads = int(os.environ.get("OMP_NUM_THREADS", "1"))
        options.inter_op_num_threads = 1
        options.log_severity_level = 4
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", _NOWHERE)
        session = onnxruntime.InferenceSession(content.only, options, providers=["CPUExecutionProvider"])
        named = [output.name for output in session.get_outputs()]
        return OnnxClassifier(session) if OnnxClassifier.fits(named) else OnnxModel(session)

    def dump(self, model: object, learnt: Learnt) -> Sequence[Content]:
        """See `Runtime`: once in doubles, once in floats. Which of them is closer depends on the model."""
        from predictq_registry.runtimes.onnx_conversion import convert

        return [Content({"model.onnx": data}) for data in convert(model, learnt)]
