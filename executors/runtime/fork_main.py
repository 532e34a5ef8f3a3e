"""How an interpreter comes to the runtime's modules for a child of a run, and whether it forks children or is one.

    python -P -m executors.runtime.fork_main DESK_FD      a fork server of the executor's own environment
    ENV/bin/python -I -S fork_main.py DESK_FD             a fork server of a bundle's environment
    ENV/bin/python -I -S fork_main.py MODULE              one child of that environment, without a server

An environment of a bundle holds packages of the run's author. So nothing of it may run here, outside of a child's
confinement: no site processing at start (a .pth file is code), and the runtime's packages are found by their place, not
by a path on which others could lie. The child processes its site itself. Standard library only, and of it what an
interpreter has loaded anyway: what is loaded here, the child has loaded.
"""

from __future__ import annotations

import importlib
import os
import sys
from importlib.util import module_from_spec, spec_from_file_location

RUNTIME = "executors"
LONGEST_NAME = 1024


def adopt(name: str, folder: str) -> None:
    """Load the package of that name from its folder, with its parent folder on no path."""
    spec = spec_from_file_location(name, f"{folder}/__init__.py", submodule_search_locations=[folder])
    if spec is None or spec.loader is None:
        raise ImportError(f"no package {name} at {folder}")
    module = module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)


def main() -> None:
    if not __package__:
        adopt(RUNTIME, __file__.rpartition("/")[0].rpartition("/")[0])
    if sys.argv[1].isdigit():
        fork_children(int(sys.argv[1]))
    else:
        importlib.import_module("site").main()
        child = importlib.import_module(sys.argv[1])
        importlib.import_module("executors.runtime.child").run_child(child.body)


def fork_children(desk: int) -> None:
    """The first message names the module of the children; that is loaded before what the server itself needs."""
    if name := os.read(desk, LONGEST_NAME).decode():
        child = importlib.import_module(name)
        loaded = frozenset(sys.modules)
        importlib.import_module("executors.runtime.fork_server").serve(desk, child, loaded)


if __name__ == "__main__":
    main()
