"""`predictq models`: the releases there are, and which of them are live."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from predictq_cli.keys import signing_key
from predictq_cli.options import DEFAULT_REGISTRY, Json, KeyFile, Model, RegistryUrl
from predictq_cli.output import plain, table, write, write_json
from predictq_cli.publish import describe_format, describe_signature

if TYPE_CHECKING:
    from predictq_registry import AliasChange, Manifest, Registry

__all__ = ["build"]

PRODUCTION = "production"


def build() -> typer.Typer:
    """The group of commands."""
    group = typer.Typer(help="Releases: list, show, make live, roll back.", epilog="Example: predictq models")
    group.callback(invoke_without_command=True)(_listed_by_default)
    group.command("list", epilog="Example: predictq models list --json")(list_models)
    group.command("show", epilog="Example: predictq models show iris 2")(show)
    group.command("alias", epilog="Example: predictq models alias iris production 2")(alias)
    group.command("sign", epilog="Example: predictq models sign iris 2 --key review.key")(sign)
    group.command("rollback", epilog="Example: predictq models rollback iris")(rollback)
    return group


def _listed_by_default(context: typer.Context, *, registry: RegistryUrl = DEFAULT_REGISTRY, json: Json = False) -> None:
    """Releases: list, show, make live, roll back."""
    if context.invoked_subcommand is None:
        list_models(registry=registry, json=json)


def list_models(*, registry: RegistryUrl = DEFAULT_REGISTRY, json: Json = False) -> None:
    """Every model, its versions and its aliases."""
    store = _open(registry)
    found = [_summary(store, model) for model in store.models()]
    if json:
        write_json(found)
    elif not found:
        write(f"no releases in {registry}; publish one: predictq publish MODEL FILE --sample FILE")
    else:
        write(table(("model", "versions", "live", "newest made"), map(_line, found)))


def _open(url: str) -> Registry:
    from predictq_registry import Registry

    return Registry(url)


def _summary(store: Registry, model: str) -> dict[str, Any]:
    versions = store.versions(model)
    newest = store.manifest(model, versions[-1])
    return {
        "model": model,
        "versions": versions,
        "aliases": dict(store.aliases(model).table),
        "created": newest.created,
    }


def _line(found: dict[str, Any]) -> tuple[object, ...]:
    versions = found["versions"]
    span = f"{versions[0]}-{versions[-1]}" if len(versions) > 1 else versions[0]
    return found["model"], span, _aliases(found["aliases"]) or "nothing: give it an alias", found["created"]


def _aliases(aliases: dict[str, int]) -> str:
    return ", ".join(f"{name} = {version}" for name, version in sorted(aliases.items()))


def show(
    model: Model,
    version: Annotated[
        str | None,
        typer.Argument(metavar="[VERSION]", help="A version or an alias; the live or newest one if left out."),
    ] = None,
    *,
    registry: RegistryUrl = DEFAULT_REGISTRY,
    json: Json = False,
) -> None:
    """One release: what it takes, its methods, libraries and figures, and the history of the aliases."""
    store = _open(registry)
    manifest = store.manifest(model, store.resolve(model, version or _usual(store, model)))
    if json:
        write_json(_document(store, manifest))
    else:
        write(_told(store, manifest))


def _usual(store: Registry, model: str) -> str:
    table = store.aliases(model).table if model in store.models() else {}
    return PRODUCTION if PRODUCTION in table else str(store.versions(model)[-1])


def _document(store: Registry, manifest: Manifest) -> dict[str, Any]:
    return {
        **manifest.model_dump(mode="json", by_alias=True),
        "digest": manifest.digest,
        "signed_by": [signature.key_id for signature in store.signatures(manifest.model, manifest.version)],
        "versions": store.versions(manifest.model),
        "aliases": dict(store.aliases(manifest.model).table),
        "refusals": [note.model_dump() for note in store.refusals(manifest.model, manifest.version).read()],
        "history": [change.model_dump() for change in store.history(manifest.model)],
    }


def _told(store: Registry, manifest: Manifest) -> str:
    model = manifest.model
    aliases = dict(store.aliases(model).table)
    facts = {
        "digest": manifest.digest,
        "made": f"{manifest.created} by {manifest.author}" + (f": {manifest.note}" if manifest.note else ""),
        "format": describe_format(manifest),
        "signed": _signed(store, manifest),
        "methods": ", ".join(manifest.methods),
        "takes": describe_signature(manifest.signature),
        "golden": f"{len(manifest.golden.rows)} rows" if manifest.golden else "none",
        "metrics": ", ".join(f"{name} {value:g}" for name, value in manifest.metrics.items()) or "none",
        "libraries": ", ".join(f"{name} {version}" for name, version in manifest.libraries.items()),
        "versions": ", ".join(map(str, store.versions(model))),
        "aliases": _aliases(aliases) or f"none: predictq models alias {model} {PRODUCTION} {manifest.version}",
    }
    lines = [f"{model} version {manifest.version}"]
    lines += [f"  {name:<10} {plain(value)}" for name, value in facts.items()]
    notes = store.refusals(model, manifest.version).read()
    refusals = [plain(f"  {note.at}  {note.worker}: {note.why}") for note in notes]
    lines += ["workers did not let it serve, each reason once:", *refusals] if refusals else []
    history = [f"  {_moved(change)}" for change in store.history(model)]
    return "\n".join([*lines, *(["alias history, oldest first:", *history] if history else [])])


def _signed(store: Registry, manifest: Manifest) -> str:
    """The ids of the keys whose signatures are stored; whether they hold, each worker finds out by itself."""
    named = store.signatures(manifest.model, manifest.version)
    return ", ".join(signature.key_id for signature in named) or "by nobody"


def _moved(change: AliasChange) -> str:
    before = f"{change.previous} -> " if change.previous else ""
    note = f": {change.note}" if change.note else ""
    return plain(f"{change.at}  {change.alias}  {before}{change.version}  ({change.action} by {change.author}{note})")


def alias(  # noqa: PLR0913  a command's options are its arguments
    model: Model,
    alias: Annotated[str, typer.Argument(metavar="ALIAS", help="Such as production or candidate.")],
    version: Annotated[int, typer.Argument(metavar="VERSION", help="The version it is to name.")],
    *,
    note: Annotated[str, typer.Option(metavar="TEXT", help="Why.")] = "",
    registry: RegistryUrl = DEFAULT_REGISTRY,
    json: Json = False,
) -> None:
    """Let an alias name a version; workers follow within a second, and no request fails."""
    _say_change(model, _open(registry).set_alias(model, alias, version, note=note), json=json)


def sign(
    model: Model,
    version: Annotated[int, typer.Argument(metavar="VERSION", help="The version to sign.")],
    *,
    key: KeyFile = None,
    registry: RegistryUrl = DEFAULT_REGISTRY,
    json: Json = False,
) -> None:
    """Sign a release that is there: one that nobody signed, or that another key than its publisher's vouches for."""
    signature = _open(registry).sign(model, version, signing_key(key))
    if json:
        write_json({"model": model, "version": version, "signed_by": signature.key_id})
    else:
        write(f"{model} version {version} is signed by {signature.key_id}")


def rollback(
    model: Model,
    alias: Annotated[str, typer.Argument(metavar="[ALIAS]", help="Which alias.")] = PRODUCTION,
    *,
    note: Annotated[str, typer.Option(metavar="TEXT", help="Why.")] = "",
    registry: RegistryUrl = DEFAULT_REGISTRY,
    json: Json = False,
) -> None:
    """Let an alias name what it named before; again, what it named before that."""
    _say_change(model, _open(registry).rollback(model, alias, note=note), json=json)


def _say_change(model: str, change: AliasChange, *, json: bool) -> None:
    if json:
        write_json({"model": model, **change.model_dump()})
        return
    before = f" (was {change.previous})" if change.previous else ""
    write(f"{model}: {change.alias} is version {change.version} now{before}; workers follow within a second")
