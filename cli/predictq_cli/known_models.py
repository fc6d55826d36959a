"""Whose queues to look at: a broker that cannot list its queues needs to be told the models."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from predictq_broker import Broker

__all__ = ["known_models"]


def known_models(broker: Broker, registry: str) -> Sequence[str]:
    """The models that the broker knows of; those of the registry too, if the broker cannot list what others use.

    Raises:
        ModuleNotFoundError: if the registry is needed, and the packages to read it are not installed.
        RegistryError: if it is needed and cannot be read.
    """
    known = broker.models()
    if broker.capabilities.lists_models:
        return known
    from predictq_registry import Registry

    return sorted({*known, *Registry(registry).models()})
