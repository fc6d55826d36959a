"""Where releases live: publishing them, finding them, and moving the aliases that name them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final, Literal

from predictq_registry.aliases import AliasChange, Aliases, AliasLog, Step
from predictq_registry.clock import whoever
from predictq_registry.errors import UnknownModel, UnknownRef
from predictq_registry.keys import SigningKey, key_path
from predictq_registry.names import check_alias, check_model, is_name, is_version, shown
from predictq_registry.refusals import RefusalStore
from predictq_registry.releases import ReleaseStore
from predictq_registry.rollouts.experiments import ExperimentStore, newest_experiment
from predictq_registry.rollouts.observations import ObservationStore, forget_old, newest_rollout
from predictq_registry.rollouts.rollout import Rollout, Route
from predictq_registry.rollouts.steps import Changed, back, beginning, carried_on, named_in_turn
from predictq_registry.storage import open_storage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from predictq_registry.cache import Cache
    from predictq_registry.inputs.samples import SampleSource
    from predictq_registry.manifest import Manifest
    from predictq_registry.package import Package
    from predictq_registry.signing import ReleaseSignature

__all__ = ["DEFAULT_URL", "REGISTRY_URL", "Registry"]

REGISTRY_URL: Final = "PREDICTQ_REGISTRY_URL"

DEFAULT_URL: Final = "predictq-models"
"""A folder in the working directory."""


def _unheard(_: str) -> None:
    """Nobody asked."""


class Registry:
    """The releases at one fsspec URL; a plain path is a local folder.

        <model>/files/<sha256>                    artefact bytes, there before any manifest names them
        <model>/releases/<version>/manifest.json  created exclusively and last: it makes the release exist
        <model>/signatures/<sha256>/<key id>      64 bytes over the manifest of that digest, there before it
        <model>/refusals/<version>/<digest>.json  why a worker does not let it serve; at most eight reasons
        <model>/aliases/<revision>.json           the whole alias table after that change; the highest is current
        <model>/observations/<revision>/…         what workers saw of the rollout that began with that revision
        <model>/experiments/<revision>/…          who was shown what in an experiment, and what came of it

    Any number of processes may read and write at once. Every method may raise `StoreError`.
    """

    def __init__(self, url: str | None = None, cache: Cache | None = None) -> None:
        """Open the registry at `url`.

        Args:
            url: `PREDICTQ_REGISTRY_URL` if not given, the folder `predictq-models` if that is not set.
            cache: Where files of a remote store are kept; a store on this machine needs none.
        """
        self.url = url or os.environ.get(REGISTRY_URL) or DEFAULT_URL
        self._storage = open_storage(self.url)
        self._releases = ReleaseStore(self._storage, self.url, cache if self._storage.remote else None)
        self._newest: dict[str, Aliases] = {}

    def publish(  # noqa: PLR0913  what a release is made of, by name
        self,
        model: str,
        artefact: object | str | os.PathLike[str] | bytes,
        *,
        sample: SampleSource = None,
        alias: str | None = None,
        metrics: Mapping[str, float] | None = None,
        author: str | None = None,
        note: str = "",
        formats: Sequence[str] = (),
        signer: SigningKey | Literal["own"] | None = "own",
        remark: Callable[[str], object] = _unheard,
    ) -> Manifest:
        """Make a release: all of it becomes visible in one step, under the next free version.

        The artefact's own bytes are loaded, tried on the sample and described before anything is written.

        Args:
            model: The model's name.
            artefact: A fitted estimator; the path of a file whose ending says its format, or of a folder that MLflow
                saved; `mlflow:` and one of its URIs; the bytes of a pickle. What is a pickle is unpickled here, so
                publish only what you made yourself.
            sample: Rows as the model will get them; see `Signature.learn`. Up to 8 become golden rows.
            alias: Let this alias name the release once it exists.
            metrics: Figures to keep with the release.
            author: Who publishes; the user of this process if not given.
            note: Why.
            formats: In which format to store it, the first that works; as it came, or joblib, if not given.
            signer: Who signs it: this user's own key, which is made if there is none; another one; or nobody.
            remark: Told what whoever publishes should know, such as a format that could not be had.

        Raises:
            InvalidName: if the model or the alias has no possible name.
            InvalidKey: if it is to be signed and there is no key for it.
            InvalidRelease: if the artefact cannot be loaded or does not predict the sample.
        """
        from predictq_registry.publishing import prepare

        check_model(model)
        if alias is not None:
            check_alias(alias)
        key = SigningKey.ensure(key_path()) if signer == "own" else signer
        about: dict[str, Any] = {"metrics": metrics or {}, "author": whoever(author), "note": note}
        draft = prepare(model, artefact, sample, formats=formats, **about)
        manifest = self._releases.add(draft, key)
        for sentence in draft.remarks:
            remark(sentence)
        if alias is not None:
            self.set_alias(model, alias, manifest.version, author=author, note=note)
        return manifest

    def sign(self, model: str, version: int, key: SigningKey) -> ReleaseSignature:
        """Sign a release that exists; those who signed it before have done so all the same."""
        self._require(model, version)
        return self._releases.sign(model, version, key)

    def signatures(self, model: str, version: int) -> tuple[ReleaseSignature, ...]:
        """What is stored as signatures of one release, unverified."""
        self._require(model, version)
        return self._releases.signatures(model, version)

    def models(self) -> list[str]:
        """The models that have at least one release, sorted."""
        return self._releases.models()

    def listed(self) -> list[str]:
        """As `models`, with names perhaps that no release has yet: one listing, however many models there are."""
        return self._releases.listed()

    def versions(self, model: str) -> list[int]:
        """The versions of a model, ascending; `UnknownModel` if there is none."""
        versions = self._releases.versions(model)
        if not versions:
            raise UnknownModel(f"no model {shown(model)} in the registry {self.url!r}; publish it first")
        return versions

    def manifest(self, model: str, version: int) -> Manifest:
        """The manifest of one release; `UnknownModel` or `UnknownRef` if there is none."""
        self._require(model, version)
        return self._releases.manifest(model, version)

    def fetch(self, model: str, version: int) -> Package:
        """The bytes of one release as the store gives them: not yet trusted, see `load`."""
        self._require(model, version)
        return self._releases.fetch(model, version)

    def refusals(self, model: str, version: int) -> RefusalStore:
        """Why workers did not let this release serve."""
        return RefusalStore(self._storage, check_model(model), version)

    def aliases(self, model: str) -> Aliases:
        """The current aliases of a model; revision 0 if it never had one. Cheap enough to ask every second."""
        return self._log(model).current(self._newest)

    def history(self, model: str, alias: str | None = None) -> list[AliasChange]:
        """Every change of the model's aliases, or of one alias, oldest first."""
        return [change for change in self._log(model).history() if alias in {None, change.alias}]

    def set_alias(
        self, model: str, alias: str, version: int, *, author: str | None = None, note: str = ""
    ) -> AliasChange:
        """Let `alias` name `version` from now on. Concurrent changes all happen, one after the other."""
        check_alias(alias)
        self._require(model, version)
        step = Step(alias, version, "set")
        return self._log(model).change(lambda _: step, whoever(author), note)

    def roll_out(
        self, model: str, alias: str, rollout: Rollout, *, author: str | None = None, note: str = ""
    ) -> AliasChange:
        """Begin to bring a version to `alias`; a rollout of that alias that is under way ends with it.

        Raises:
            UnknownRef: if there is no such version, or no such alias whose version it could replace.
            InvalidRollout: if the alias names that version already.
        """
        self._require(model, rollout.version)
        begun = self._log(model).change(lambda now: beginning(model, alias, rollout, now), whoever(author), note)
        forget_old(self._storage, model)
        return begun

    def carry_on(  # noqa: PLR0913  what is compared, what comes of it, and who says so
        self,
        model: str,
        alias: str,
        seen: Rollout,
        then: Rollout | Literal["promote", "stop"],
        *,
        author: str | None = None,
        note: str = "",
    ) -> AliasChange | None:
        """Replace the rollout `seen` by its next step, or end it; None if it is no longer as it was seen."""
        try:
            return self._log(model).change(lambda now: carried_on(alias, seen, then, now), whoever(author), note)
        except Changed:
            return None

    def observations(self, model: str, began: int) -> ObservationStore:
        """What workers saw of the rollout that began with that revision."""
        return ObservationStore(self._storage, check_model(model), began)

    def experiment(self, model: str, began: int, worker: str = "") -> ExperimentStore:
        """What is known of the experiment that began with that revision; `worker` may add to it."""
        return ExperimentStore(self._storage, check_model(model), began, worker)

    def newest_rollout(self, model: str) -> int:
        """The revision with which the newest rollout of which anything was seen began; 0 if there was none."""
        return newest_rollout(self._storage, check_model(model))

    def newest_experiment(self, model: str) -> int:
        """The revision with which the model's newest experiment began; 0 if there was none.

        One that is under way counts before anything is known of it: who was shown what is written down a little later.
        """
        under_way = [rollout.began for rollout in self.aliases(model).rollouts.values() if rollout.strategy == "ab"]
        return max([newest_experiment(self._storage, check_model(model)), *under_way])

    def rollback(self, model: str, alias: str, *, author: str | None = None, note: str = "") -> AliasChange:
        """Stop the rollout that is under way; or else let `alias` name what it named before, and again, before that.

        Raises:
            UnknownRef: if there is no such alias, or nothing it named before.
        """
        self.versions(model)
        return self._log(model).change(lambda now: self._back(model, alias, now), whoever(author), note)

    def _back(self, model: str, alias: str, current: Aliases) -> Step:
        if alias not in current.table:
            raise self._unknown(model, alias)
        return back(model, alias, current, self.history(model, alias))

    def resolve(self, model: str, ref: str) -> int:
        """The version that `ref`, an alias or a version in digits, names now.

        Raises:
            UnknownModel: if the model has no release.
            UnknownRef: if it has no such alias or version; the sentence lists the aliases there are.
        """
        return self.route(model, ref).version

    def route(self, model: str, ref: str) -> Route:
        """As `resolve`, with the rollout that is under way."""
        if is_version(ref):
            self._require(model, int(ref))
            return Route(int(ref))
        current = self.aliases(model) if is_name(model) else None
        if current is None or ref not in current.table:
            self.versions(model)
            raise self._unknown(model, ref)
        return Route(current.table[ref], current.rollouts.get(ref))

    def earlier(self, model: str, ref: str) -> list[int]:
        """The versions that an alias named before the one that it names now, the last one first, each once; of what was
        rolled back none.
        """
        named = [] if is_version(ref) else named_in_turn(self.history(model, ref))
        return [version for version in dict.fromkeys(reversed(named)) if version != named[-1]]

    def _require(self, model: str, version: int) -> None:
        if self._releases.has(model, version):
            return
        self.versions(model)
        raise self._unknown(model, str(version))

    def _unknown(self, model: str, ref: str) -> UnknownRef:
        there = ", ".join(f"{alias} ({version})" for alias, version in sorted(self.aliases(model).table.items()))
        return UnknownRef(f"model {model!r} has no alias or version {shown(ref)}; its aliases: {there or 'none'}")

    def _log(self, model: str) -> AliasLog:
        return AliasLog(self._storage, check_model(model))
