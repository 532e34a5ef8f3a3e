"""YAML as people expect it: `on`, `off`, `yes` and `no` are words, as YAML 1.2 has it, not booleans.

PyYAML follows YAML 1.1, where a template's `retry: {on: [external]}` would have the key True.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

BOOLEANS = re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$")


class Loader(yaml.SafeLoader):
    """PyYAML's safe loader with the booleans of YAML 1.2."""


Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
Loader.add_implicit_resolver("tag:yaml.org,2002:bool", BOOLEANS, list("tTfF"))


def load(text: str) -> Any:
    """Parse one document. Raises yaml.YAMLError with line and column."""
    return yaml.load(text, Loader=Loader)  # noqa: S506 - derived from the safe loader
