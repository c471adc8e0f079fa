"""One file in a folder = one plug-in: benchmarks, importers, judges, metrics, stages are found, not listed."""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module
from typing import Any

# `base` holds the types that the plug-ins of a folder share; so does every file whose name starts with "_".
SHARED = "base"


class RegistryError(Exception):
    """A plug-in folder that cannot be used: a file without the expected attribute, or a name that occurs twice."""


def plugins(package: str, attribute: str) -> dict[str, Any]:  # Any: each folder has its own plug-in type
    """Every plug-in of a package by its `.name`, in the order of the file names.

    `package` is a dotted name ("annotation.importers"), `attribute` the module-level name that each file defines
    ("IMPORTER"). The folder is read once a process; the dict is the caller's own.
    Raises RegistryError for a file without the attribute, a plug-in without a name, or a name used twice.
    """
    return dict(_found(package, attribute))


@cache
def _found(package: str, attribute: str) -> tuple[tuple[str, Any], ...]:
    found: dict[str, Any] = {}
    defined_in: dict[str, str] = {}
    for module_name in _module_names(package):
        plugin = getattr(import_module(module_name), attribute, None)
        if plugin is None:
            raise RegistryError(f"{module_name} does not define {attribute}. Every file of {package} is one plug-in.")
        name = getattr(plugin, "name", None)
        if not isinstance(name, str) or not name:
            raise RegistryError(f"{module_name}.{attribute} has no name.")
        if name in found:
            raise RegistryError(f"{defined_in[name]} and {module_name} both define {attribute} with the name {name!r}.")
        found[name], defined_in[name] = plugin, module_name
    return tuple(found.items())


def _module_names(package: str) -> list[str]:
    folder = import_module(package).__path__
    names = sorted(module.name for module in pkgutil.iter_modules(folder))
    return [f"{package}.{name}" for name in names if name != SHARED and not name.startswith("_")]
