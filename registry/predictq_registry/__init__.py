"""Model releases: what they are, where they are stored, and which of them an alias names.

    registry = Registry("predictq-models")                  any fsspec URL; a plain path is a local folder
    registry.publish("iris", estimator, sample=frame, alias="production")
    release = load(registry.fetch("iris", registry.resolve("iris", "production")))
    release.check_golden()
    checked = release.manifest.signature.check([[5.1, 3.5, 1.4, 0.2]])
    outputs = release.call("predict", release.manifest.signature.assemble([checked]))

Importing this package brings neither NumPy nor pandas nor scikit-learn; they come with the first call that
needs them, so that a process which only follows aliases stays light.
"""

from predictq_registry.aliases import AliasChange, Aliases
from predictq_registry.cache import Cache, Progress, Stage
from predictq_registry.errors import (
    InputError,
    InvalidKey,
    InvalidName,
    InvalidRelease,
    InvalidRollout,
    RegistryError,
    StoreError,
    UnknownModel,
    UnknownRef,
    UntrustedRelease,
)
from predictq_registry.inputs.columns import Checked, Column
from predictq_registry.inputs.signature import Signature
from predictq_registry.keys import PublicKey, SigningKey
from predictq_registry.loading import Loaded, Verified, load, verify
from predictq_registry.manifest import Golden, Manifest, ReleaseFile
from predictq_registry.package import Package
from predictq_registry.refusals import Refusal
from predictq_registry.registry import DEFAULT_URL, Registry
from predictq_registry.rollouts.comparison import Comparison, Contrast, Pair, contrast
from predictq_registry.rollouts.effect import Effect, Group, effect_of, group_of
from predictq_registry.rollouts.experiments import FEEDBACK, ExperimentFull, ExperimentStore, Segment
from predictq_registry.rollouts.judging import Verdict, bucket, judge
from predictq_registry.rollouts.observations import Arm, Report, Seen, together
from predictq_registry.rollouts.rollout import CHALLENGER, CHAMPION, Guards, Rollout, Route, point
from predictq_registry.runtimes import Content, Runtime
from predictq_registry.signing import ReleaseSignature
from predictq_registry.trust import Demand, Trust

__all__ = [
    "CHALLENGER",
    "CHAMPION",
    "DEFAULT_URL",
    "FEEDBACK",
    "AliasChange",
    "Aliases",
    "Arm",
    "Cache",
    "Checked",
    "Column",
    "Comparison",
    "Content",
    "Contrast",
    "Demand",
    "Effect",
    "ExperimentFull",
    "ExperimentStore",
    "Golden",
    "Group",
    "Guards",
    "InputError",
    "InvalidKey",
    "InvalidName",
    "InvalidRelease",
    "InvalidRollout",
    "Loaded",
    "Manifest",
    "Package",
    "Pair",
    "Progress",
    "PublicKey",
    "Refusal",
    "Registry",
    "RegistryError",
    "ReleaseFile",
    "ReleaseSignature",
    "Report",
    "Rollout",
    "Route",
    "Runtime",
    "Seen",
    "Segment",
    "Signature",
    "SigningKey",
    "Stage",
    "StoreError",
    "Trust",
    "UnknownModel",
    "UnknownRef",
    "UntrustedRelease",
    "Verdict",
    "Verified",
    "bucket",
    "contrast",
    "effect_of",
    "group_of",
    "judge",
    "load",
    "point",
    "together",
    "verify",
]
