"""joblib: whatever Python can pickle. Loading it runs what the file says."""

import io
from typing import ClassVar

from predictq_registry.errors import InvalidRelease
from predictq_registry.inputs.learn import Learnt
from predictq_registry.runtimes.runtime import Content, Runtime

__all__ = ["Joblib"]

_FILE = "model.joblib"


class Joblib(Runtime):
    """What `joblib.dump` or `pickle.dump` wrote."""

    name: ClassVar[str] = "joblib"
    endings: ClassVar[tuple[str, ...]] = (".joblib", ".pkl", ".pickle")
    faithful: ClassVar[bool] = True

    def load(self, content: Content) -> object:
        """See `Runtime`. The whole file is there before it is opened, so it is never memory-mapped."""
        import joblib

        return joblib.load(io.BytesIO(content.only))

    def dump(self, model: object, learnt: Learnt | None) -> list[Content]:
        """See `Runtime`; the rows do not matter."""
        import joblib

        del learnt
        buffer = io.BytesIO()
        try:
            joblib.dump(model, buffer)
        except Exception as error:  # pickling runs the classes' own code
            reason = f"{type(error).__name__}: {error}"
            raise InvalidRelease(f"a {type(model).__name__} cannot be written with joblib: {reason}") from error
        return [Content({_FILE: buffer.getvalue()})]
