"""A flow that does nothing."""

import time

from prefect import flow


@flow(persist_result=False, validate_parameters=False)
def trivial() -> float:
    return time.time()
