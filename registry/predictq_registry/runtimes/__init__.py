"""Runtimes: how a release's files become a model that can be called, one small class for each format.

From safest to least; those that run no code need no signature:

    onnx       a graph of operators, run by onnxruntime                     no code
    xgboost    trees in XGBoost's own UBJSON or JSON                        no code
    lightgbm   trees in LightGBM's own text                                 no code
    catboost   trees in CatBoost's own binary                               no code
    skops      scikit-learn objects, of types that skops knows              no code; code, if it holds other types
    joblib     anything Python can pickle                                   code
    mlflow     a folder that MLflow saved, as a pyfunc                      code

Another one is a subclass of `Runtime` that an installed package names in the entry point group `predictq.runtimes`.
Nothing but `loading.open_content` calls `Runtime.load`.
"""

from predictq_registry.runtimes.known import runtime_for, runtime_named
from predictq_registry.runtimes.runtime import Content, Runtime

__all__ = ["Content", "Runtime", "runtime_for", "runtime_named"]
