"""Entry point of the background supervisor: python -m control_room.local.supervise --folder F --report-fd N ..."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import traceback

from control_room.errors import FAILED, OK, ControlRoomError
from control_room.local.folder import StackFolder
from control_room.local.report import Reporter
from control_room.local.supervisor import Options, Supervisor


def main() -> int:
    """Supervise until stopped; the exit code follows control_room.errors."""
    arguments = _arguments()
    report = Reporter(arguments.report_fd)
    engines = json.loads(arguments.engines)
    options = Options(json.loads(arguments.executors), json.loads(arguments.pinned), engines)
    return run(StackFolder.at(arguments.folder), options, report)


def run(folder: StackFolder, options: Options, report: Reporter) -> int:
    """Supervise in this process; problems go to `report` as {event: failed, what, where, next, exit_code}."""
    try:
        asyncio.run(Supervisor(folder, options, report).run())
    except ControlRoomError as error:
        report("failed", what=error.what, where=error.where, next=error.next_step, exit_code=error.exit_code)
        return error.exit_code
    except OSError as error:
        where = str(error.filename or folder.root)
        report("failed", what=str(error), where=where, next="check owner and free space", exit_code=FAILED)
        return FAILED
    except Exception as error:
        traceback.print_exc()
        log = str(folder.log("supervisor"))
        report("failed", what=f"the supervisor broke: {error!r}", where=log, next="see that log", exit_code=FAILED)
        return FAILED
    return OK


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="control-room supervisor")
    parser.add_argument("--folder", required=True)
    parser.add_argument("--executors", default="{}")
    parser.add_argument("--pinned", default="{}")
    parser.add_argument("--engines", default="null")
    parser.add_argument("--report-fd", type=int)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
