"""Options that several commands share, told once."""

from pathlib import Path
from typing import Annotated, Final

import typer

from predictq_broker import DEFAULT_URL as DEFAULT_BROKER

__all__ = [
    "BROKER_ENV",
    "DEFAULT_BROKER",
    "DEFAULT_REGISTRY",
    "REGISTRY_ENV",
    "BrokerUrl",
    "Json",
    "KeyFile",
    "Model",
    "RegistryUrl",
]

BROKER_ENV: Final = "PREDICTQ_BROKER_URL"
REGISTRY_ENV: Final = "PREDICTQ_REGISTRY_URL"
DEFAULT_REGISTRY: Final = "predictq-models"
"""As `predictq_registry.DEFAULT_URL`, which cannot be read without the packages a worker needs."""

BrokerUrl = Annotated[
    str, typer.Option("--broker", envvar=BROKER_ENV, metavar="URL", help="Where requests and results travel.")
]
RegistryUrl = Annotated[
    str, typer.Option("--registry", envvar=REGISTRY_ENV, metavar="URL", help="Where releases are kept.")
]
Json = Annotated[bool, typer.Option("--json", help="JSON for programs instead of text for people.")]
Model = Annotated[str, typer.Argument(metavar="MODEL", help="The model's name.", show_default=False)]
KeyFile = Annotated[
    Path | None,
    typer.Option("--key", envvar="PREDICTQ_SIGNING_KEY", metavar="FILE", help="Who signs (this user's own key)."),
]
