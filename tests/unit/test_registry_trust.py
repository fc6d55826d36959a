"""Signatures: whose release is loaded, and whose is not."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from predictq_registry import (
    Demand,
    InvalidKey,
    InvalidRelease,
    Package,
    PublicKey,
    Registry,
    ReleaseSignature,
    SigningKey,
    StoreError,
    Trust,
    UntrustedRelease,
    load,
    verify,
)
from predictq_registry.keys import key_path, read_public_keys

ROWS = [[5.1, 3.0], [6.2, 2.5], [7.3, 1.5], [4.4, 3.5]]


def model() -> LogisticRegression:
    return LogisticRegression().fit(ROWS, list("abba"))


@pytest.fixture
def ours(tmp_path: Path) -> SigningKey:
    return SigningKey.ensure(tmp_path / "ours.key")


@pytest.fixture
def foreign(tmp_path: Path) -> SigningKey:
    return SigningKey.ensure(tmp_path / "foreign.key")


@pytest.fixture
def trust(ours: SigningKey) -> Trust:
    return Trust.of([str(ours.public)])


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(str(tmp_path / "models"))


def published(registry: Registry, key: SigningKey | None, formats: tuple[str, ...] = ()) -> Package:
    version = registry.publish("iris", model(), sample=ROWS, signer=key, formats=formats).version
    return registry.fetch("iris", version)


def test_a_release_that_ours_signed_is_loaded_and_says_so(registry: Registry, ours: SigningKey, trust: Trust) -> None:
    release = load(published(registry, ours), trust)
    assert release.signed_by == ours.public.id
    release.check_golden()


@pytest.mark.parametrize("formats", [("joblib",), ("skops",), ("onnx",)])
def test_with_keys_nothing_unsigned_or_foreign_is_loaded_whatever_its_format(
    registry: Registry, foreign: SigningKey, trust: Trust, formats: tuple[str, ...]
) -> None:
    pytest.importorskip({"skops": "skops", "onnx": "skl2onnx"}.get(formats[0], "joblib"))
    with pytest.raises(UntrustedRelease, match="version 1 is not signed; trusted here: "):
        verify(published(registry, None, formats), trust)
    with pytest.raises(UntrustedRelease, match=f"signed by {foreign.public.id}, whom nobody here trusts"):
        verify(published(registry, foreign, formats), trust)


def test_without_keys_what_runs_code_needs_this_users_own_signature(registry: Registry, foreign: SigningKey) -> None:
    registry.publish("own", model(), sample=ROWS)
    own = SigningKey.read(key_path()).public.id
    assert load(registry.fetch("own", 1)).signed_by == own
    for key in (None, foreign):
        with pytest.raises(UntrustedRelease, match="loading joblib runs code that it brings: publish it signed"):
            load(published(registry, key))


def test_without_keys_what_runs_no_code_needs_no_signature(registry: Registry, foreign: SigningKey) -> None:
    pytest.importorskip("skops")
    for key in (None, foreign):
        assert load(published(registry, key, ("skops",))).signed_by is None


def test_who_made_skops_with_types_of_its_own_is_not_told_to_publish_it_as_skops(registry: Registry) -> None:
    pytest.importorskip("skops")
    tree = DecisionTreeClassifier().fit(ROWS, list("abba"))
    registry.publish("tree", tree, sample=ROWS, formats=["skops"], signer=None)
    told = "loading skops with types of its own runs code .*, publish it as onnx, or"
    with pytest.raises(UntrustedRelease, match=told):
        load(registry.fetch("tree", 1))


def test_what_runs_code_is_loaded_unsigned_only_where_that_is_allowed(registry: Registry, ours: SigningKey) -> None:
    package = published(registry, None)
    assert load(package, Trust.of(allow_unsigned=True)).signed_by is None
    with pytest.raises(ValueError, match="with trusted keys nothing unsigned is loaded"):
        Trust.of([str(ours.public)], allow_unsigned=True)


def changed(package: Package, **fields: Any) -> Package:
    data = json.dumps(json.loads(package.manifest_bytes) | fields).encode()
    return replace(package, manifest_bytes=data)


def flipped(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


def signature_of(package: Package, change: Callable[[bytes], bytes]) -> Package:
    return replace(
        package, signatures=tuple(ReleaseSignature(one.key_id, change(one.value)) for one in package.signatures)
    )


@pytest.mark.parametrize(
    "alter",
    [
        lambda package: changed(package, note="another"),
        lambda package: changed(package, version=2),
        lambda package: changed(package, model="other"),
        lambda package: changed(package, golden=None),
        lambda package: changed(package, options={"types": ["os.system"]}),
        lambda package: replace(package, manifest_bytes=package.manifest_bytes + b" "),
        lambda package: signature_of(package, lambda value: flipped(value, 0)),
        lambda package: signature_of(package, lambda value: flipped(value, 63)),
        lambda package: signature_of(package, lambda _: bytes(64)),
        lambda package: signature_of(package, lambda value: value[:63]),
    ],
)
def test_one_altered_bit_of_manifest_or_signature_is_enough(
    registry: Registry, ours: SigningKey, trust: Trust, alter: Callable[[Package], Package]
) -> None:
    package = published(registry, ours)
    load(package, trust)
    with pytest.raises(UntrustedRelease, match=f"was altered since {ours.public.id} signed it"):
        load(alter(package), trust)


def test_a_signature_of_another_release_does_not_count(registry: Registry, ours: SigningKey, trust: Trust) -> None:
    first, second = published(registry, ours), published(registry, ours)
    with pytest.raises(UntrustedRelease, match="altered since"):
        load(replace(second, signatures=first.signatures), trust)


def test_files_of_two_signed_releases_cannot_be_mixed(registry: Registry, ours: SigningKey, trust: Trust) -> None:
    first = published(registry, ours)
    registry.publish("iris", LogisticRegression(C=9).fit(ROWS, list("abba")), sample=ROWS, signer=ours)
    second = registry.fetch("iris", 2)
    with pytest.raises(InvalidRelease, match="is not what was published"):
        load(replace(first, files=second.files), trust)


def test_a_release_is_never_there_before_its_signature(registry: Registry, ours: SigningKey, tmp_path: Path) -> None:
    seen: list[int] = []
    storage: Any = registry._storage
    create = storage.create_exclusive

    def watched(path: str, data: bytes) -> bool:
        seen.append(len(list((tmp_path / "models/iris/signatures").rglob(ours.public.id))))
        return bool(create(path, data))

    storage.create_exclusive = watched
    published(registry, ours)
    assert seen == [1]


def test_a_release_can_be_signed_later_and_by_several(
    registry: Registry, ours: SigningKey, foreign: SigningKey, trust: Trust
) -> None:
    published(registry, foreign)
    registry.sign("iris", 1, ours)
    assert {one.key_id for one in registry.signatures("iris", 1)} == {ours.public.id, foreign.public.id}
    for key in (ours, foreign):
        assert load(registry.fetch("iris", 1), Trust.of([str(key.public)])).signed_by == key.public.id
    assert trust.demand is Demand.EVERY


# ── what lies in the store ──


def artefact(tmp_path: Path) -> Path:
    (found,) = (tmp_path / "models/iris/files").iterdir()
    return found


def test_a_link_out_of_the_registry_is_not_followed(registry: Registry, ours: SigningKey, tmp_path: Path) -> None:
    published(registry, ours)
    file = artefact(tmp_path)
    outside = tmp_path / "outside"
    outside.write_bytes(file.read_bytes())  # the very bytes: it is the way there that is refused
    file.unlink()
    file.symlink_to(outside)
    with pytest.raises(StoreError, match="cannot read"):
        registry.fetch("iris", 1)


def test_a_pipe_in_the_registry_is_refused_and_not_waited_for(
    registry: Registry, ours: SigningKey, tmp_path: Path
) -> None:
    published(registry, ours)
    file = artefact(tmp_path)
    file.unlink()
    os.mkfifo(file)
    with pytest.raises(StoreError, match="is no plain file"):
        registry.fetch("iris", 1)


def test_a_replaced_manifest_is_refused(registry: Registry, ours: SigningKey, trust: Trust, tmp_path: Path) -> None:
    published(registry, ours)
    path = tmp_path / "models/iris/releases/1/manifest.json"
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data.replace(b'"note": ""', b'"note": "x"'))
    with pytest.raises(UntrustedRelease, match="is not signed"):
        load(registry.fetch("iris", 1), trust)


# ── keys ──


def test_a_key_is_made_once_readable_by_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "signing.key"
    first, second = SigningKey.ensure(path), SigningKey.ensure(path)
    assert first.public == second.public
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert read_public_keys(str(path.with_suffix(".pub"))) == [first.public]
    assert not list(path.parent.glob(".*"))


def test_a_key_that_others_may_read_does_not_sign(tmp_path: Path) -> None:
    path = tmp_path / "signing.key"
    SigningKey.ensure(path)
    path.chmod(0o640)
    with pytest.raises(InvalidKey, match="others than its owner may read"):
        SigningKey.ensure(path)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "holds no signing key"),
        (b"-----BEGIN PRIVATE KEY-----\nMC4=\n-----END PRIVATE KEY-----\n", "no signing key"),
    ],
)
def test_a_file_that_is_no_key_does_not_sign(tmp_path: Path, data: bytes, sentence: str) -> None:
    path = tmp_path / "signing.key"
    path.write_bytes(data)
    path.chmod(0o600)
    with pytest.raises(InvalidKey, match=sentence):
        SigningKey.read(path)


def test_where_no_key_can_be_made_publishing_says_so_and_publishes_nothing(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("PREDICTQ_SIGNING_KEY", str(tmp_path / "file" / "signing.key"))
    with pytest.raises(InvalidKey, match=r"cannot be made: .*; PREDICTQ_SIGNING_KEY names another file"):
        registry.publish("iris", model())
    assert registry.models() == []


def test_keys_are_given_as_text_as_a_file_or_as_a_folder(ours: SigningKey, foreign: SigningKey, tmp_path: Path) -> None:
    both = {ours.public, foreign.public}
    file = tmp_path / "several"
    file.write_text(f"# who may\n{ours.public} the team\n\n{foreign.public}\n")
    assert set(read_public_keys(str(file))) == both
    assert set(read_public_keys(str(tmp_path))) == both
    assert read_public_keys(str(ours.public)) == [ours.public]


@pytest.mark.parametrize(
    "text", ["ed25519:", "ed25519:AAAA", f"ed25519:{'A' * 44}", "ed25519:é", "rsa:AAAA", "no/such/file"]
)
def test_what_is_no_key_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(InvalidKey):
        read_public_keys(text)


def test_an_empty_folder_of_keys_is_refused_rather_than_trusting_nobody(tmp_path: Path) -> None:
    with pytest.raises(InvalidKey, match="holds no public key"):
        Trust.of([str(tmp_path)])


def test_trust_travels_to_another_process_as_json(trust: Trust) -> None:
    assert Trust.from_json(json.loads(json.dumps(trust.to_json()))) == trust
    assert PublicKey.parse(str(trust.keys[0])) == trust.keys[0]
