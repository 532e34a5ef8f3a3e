"""Whether what a template's entrypoint names is in the bundle's folder. A machine checks it again before each run."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable
from pathlib import Path

FUNCTION = re.compile(r"^(?P<module>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):(?P<function>[A-Za-z_]\w*)$")


def entrypoint_wrong(kind: str, entrypoint: str, folder: Path) -> str:
    """What is wrong, with what may have been meant; '' when nothing is, or when the kind is not one we know."""
    check = CHECKS.get(kind)
    return check(entrypoint, folder) if check else ""


def _python(entrypoint: str, folder: Path) -> str:
    found = FUNCTION.match(entrypoint)
    if found is None:
        if not entrypoint.endswith(".py") or ":" in entrypoint:
            return f"{entrypoint!r} is neither module:function nor script.py{_instead(entrypoint, folder)}"
        return _file(entrypoint, folder, "*.py")
    stem = folder.joinpath(*found["module"].split("."))
    file = next((path for path in (stem.with_suffix(".py"), stem / "__init__.py") if path.is_file()), None)
    if file is None:
        meant = _instead(entrypoint, folder) or _meant(found["module"], map(_module, _names(folder, "*.py")))
        return f"the bundle {folder.name!r} has no module {found['module']!r}{meant}"
    return _function(found["function"], file)


def _instead(entrypoint: str, folder: Path) -> str:
    """What to write where a file of the bundle was named in another form: load/load:main, load.py:main, load."""
    named, _, function = entrypoint.partition(":")
    module = _module(named)
    file = f"{module.replace('.', '/')}.py"
    if not (folder / file).is_file():
        return ""
    if function:
        return f"; write '{module}:{function}'"
    return f"; write '{module}:FUNCTION', or {file!r} to run the file as a script"


def _module(file: str) -> str:
    """'pkg/load.py' -> 'pkg.load'."""
    return file.removesuffix(".py").replace("/", ".")


def _function(name: str, file: Path) -> str:
    """Only a name that the file does not hold at all is refused: there are many ways to define a function."""
    text = file.read_text(encoding="utf-8", errors="replace")
    if re.search(rf"\b{name}\b|import \*", text):
        return ""
    return f"{file.name} has no function {name!r}{_meant(name, _defined(text))}"


def _defined(text: str) -> list[str]:
    try:
        body = ast.parse(text).body
    except (SyntaxError, ValueError):
        return []
    return [node.name for node in body if isinstance(node, ast.FunctionDef)]


def _notebook(entrypoint: str, folder: Path) -> str:
    return (
        _file(entrypoint, folder, "*.ipynb") if entrypoint.endswith(".ipynb") else f"{entrypoint!r} is no .ipynb file"
    )


def _dbt(entrypoint: str, folder: Path) -> str:
    if (folder / entrypoint / "dbt_project.yml").is_file():
        return ""
    projects = [str(Path(name).parent) for name in _names(folder, "dbt_project.yml")]
    return f"the bundle {folder.name!r} has no dbt_project.yml in folder {entrypoint!r}{_meant(entrypoint, projects)}"


def _file(name: str, folder: Path, pattern: str) -> str:
    if (folder / name).is_file():
        return ""
    return f"the bundle {folder.name!r} has no file {name!r}{_meant(name, _names(folder, pattern))}"


def _names(folder: Path, pattern: str) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob(pattern))


def _meant(name: str, known: Iterable[str]) -> str:
    from control_room.api.names import did_you_mean

    return did_you_mean(name, known)


CHECKS: dict[str, Callable[[str, Path], str]] = {"python": _python, "notebook": _notebook, "dbt": _dbt}
