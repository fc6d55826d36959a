"""`predictq keys`: the key that signs this user's releases, and who else's are trusted."""

from __future__ import annotations

import os
from pathlib import Path  # noqa: TC003  typer reads the annotations
from typing import TYPE_CHECKING, Annotated

import typer

from predictq_cli.options import Json, KeyFile  # noqa: TC001  as above
from predictq_cli.output import plain, write, write_json

if TYPE_CHECKING:
    from predictq_registry import SigningKey

__all__ = ["build", "signing_key"]


def build() -> typer.Typer:
    """The group of commands."""
    group = typer.Typer(help="Keys that sign releases, and keys that are trusted.", no_args_is_help=True)
    group.command("new", epilog="Example: predictq keys new")(new)
    group.command("show", epilog="Example: predictq keys show > publisher.pub")(show)
    group.command("trusted", epilog="Example: PREDICTQ_TRUST=keys/ predictq keys trusted")(trusted)
    return group


def signing_key(named: Path | None) -> SigningKey:
    """The key that was named, which must be there: one made for a name that was mistyped would be trusted by nobody.
    This user's own, which is made if need be, if none was named but by the environment.
    """
    from predictq_registry import SigningKey
    from predictq_registry.keys import key_path

    own = key_path()
    return SigningKey.ensure(own) if named in {None, own} else SigningKey.read(named or own)


def new(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="Where to put it; this user's own place if left out.")
    ] = None,
    *,
    json: Json = False,
) -> None:
    """Make a signing key, unless it is there; its public half goes beside it, as .pub.

    Publishing makes this user's own key by itself. Whoever has FILE can sign: keep it from workers and from others.
    """
    from predictq_registry import SigningKey
    from predictq_registry.keys import key_path

    path = file or key_path()
    public = SigningKey.ensure(path).public
    if json:
        write_json({"file": str(path), "id": public.id, "public": str(public)})
    else:
        write(f"key {public.id} in {plain(path)}\ntrusted by workers that are told: PREDICTQ_TRUST={public}")


def show(*, key: KeyFile = None, json: Json = False) -> None:
    """The public half of a signing key: what workers are told to trust."""
    from predictq_registry import SigningKey
    from predictq_registry.keys import key_path

    public = SigningKey.read(key or key_path()).public
    if json:
        write_json({"id": public.id, "public": str(public)})
    else:
        write(str(public))


def trusted(*, json: Json = False) -> None:
    """Whose releases a worker with this environment would load."""
    from predictq_registry.trust import trust_in

    trust = trust_in(os.environ)
    if json:
        write_json(trust.to_json())
        return
    rule = {
        "every": "every release must be signed by one of",
        "code": "releases that run code must be signed by",
        "none": "nothing must be signed",
    }[trust.demand]
    write("\n".join([rule, *(f"  {key.id}  {key}" for key in trust.keys)]))
