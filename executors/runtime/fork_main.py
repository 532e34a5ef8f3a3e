"""How an interpreter comes to the runtime's modules for a child of a run, and whether it forks children or is one.

    python -P -m executors.runtime.fork_main DESK_FD      a fork server of the executor's own environment
    BASE_PYTHON -I -S fork_main.py DESK_FD ENV            a fork server of the bundle's environment in the folder ENV
    BASE_PYTHON -I -S fork_main.py MODULE ENV             one child of that environment, without a server

An environment of a bundle holds files of the run's author, which packages can put anywhere in it: bin/python and
pyvenv.cfg, too. So nothing of it may be run or read here, outside of a child's confinement: the interpreter is the one
that the executor's own is made from, it processes no site at start (a .pth file is code), and the runtime's packages
are found by their place, not by a path on which others could lie. The child enters its environment itself. Standard
library only, and of it what an interpreter has loaded anyway: what is loaded here, the child has loaded.
"""

from __future__ import annotations

import importlib
import os
import sys
from importlib.util import module_from_spec, spec_from_file_location

RUNTIME = "executors"
LONGEST_NAMES = 4096


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
    prefix = sys.argv[2] if len(sys.argv) > 2 else ""
    if sys.argv[1].isdigit():
        fork_children(int(sys.argv[1]), prefix)
    else:
        enter(prefix)
        child = importlib.import_module(sys.argv[1])
        importlib.import_module("executors.runtime.child").run_child(child.body)


def enter(prefix: str) -> None:
    """Make this process, a confined one, what the environment's own interpreter would be when it has started."""
    sys.executable = f"{prefix}/bin/python"
    sys.prefix = sys.exec_prefix = prefix
    sys.modules.pop("sysconfig", None)  # it keeps the prefix that it was loaded with
    importlib.import_module("site").main()


def fork_children(desk: int, prefix: str) -> None:
    """The first message names the module of the children, and what they will load beside: loaded before what the server
    itself needs.
    """
    if names := os.read(desk, LONGEST_NAMES).decode().split():
        child, *_ = [importlib.import_module(name) for name in names]
        loaded = frozenset(sys.modules)
        importlib.import_module("executors.runtime.fork_server").serve(desk, child, loaded, prefix)


if __name__ == "__main__":
    main()
