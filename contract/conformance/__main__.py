"""The executor kit where only an executor is installed, as in its container image.

    python -m contract.conformance [--case ID]… [--patience S] [--startup S] [--json] -- COMMAND…

As `control-room conformance executor`, with plain lines. Exit code 0 when no case failed, 1 when one did, 2 for a call
that makes no sense.
"""

import argparse
import json
import shutil
import sys
from collections.abc import Iterable, Sequence

from contract.conformance import executor_kit
from contract.conformance.trial import Options
from contract.conformance.verdict import Result, as_json, chosen


def main(arguments: Sequence[str]) -> int:
    """Judge the executor that the command starts; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m contract.conformance")
    parser.add_argument("--case", action="append", default=[], help="only this case; may be given several times")
    parser.add_argument("--patience", type=float, default=20.0, help="seconds that what has no deadline may take")
    parser.add_argument("--startup", type=float, default=60.0, help="seconds that the executor may take to register")
    parser.add_argument("--json", action="store_true", help="the verdict as one JSON document on stdout")
    parser.add_argument("command", nargs="+", help="what starts the executor; put -- before it")
    asked = parser.parse_args(arguments)
    try:
        chosen(executor_kit.CASES, asked.case)
    except ValueError as error:
        parser.error(str(error))
    if shutil.which(asked.command[0]) is None:
        parser.error(f"there is no program {asked.command[0]}")
    options = Options(asked.command, asked.startup, asked.patience, None, None)
    done = tell(executor_kit.run(options, asked.case))
    if asked.json:
        sys.stdout.write(json.dumps(as_json("executor", " ".join(asked.command), done)) + "\n")
    return int(any(result.verdict == "fail" for result in done))


def tell(results: Iterable[Result]) -> list[Result]:
    """A line on stderr for each case, at the moment it is judged."""
    done = []
    for result in results:
        done.append(result)
        told = f"{result.verdict:4} {result.id:20} {result.seconds:6.1f} s  {result.detail or result.title}"
        sys.stderr.write(told + "\n")
        sys.stderr.flush()
    return done


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
