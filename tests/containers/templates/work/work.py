"""What the tests of containers run."""

import time


def sleep(seconds: float) -> dict:
    time.sleep(seconds)
    return {"slept": seconds}


def grow() -> dict:
    held = []
    while True:
        held.append(bytearray(64 * 2**20))
        held[-1][::4096] = b"x" * len(held[-1][::4096])


def rows(context, seconds: float) -> dict:
    import pyarrow as pa

    context.publish("rows", pa.table({"n": list(range(100))}))
    time.sleep(seconds)
    return {"rows": 100}
