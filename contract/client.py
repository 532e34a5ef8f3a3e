"""The executor's side of the contract: ExecutorClient (sync) and AsyncExecutorClient, one method per operation.

Every method takes and returns the models of contract.models and raises contract.errors.ContractError. Each operation
is safe to repeat, so lost connections and 502, 503, 504 are retried within `Retry`; give FOREVER for what must arrive.
"""

from contract import models
from contract._calls import FOREVER, NO_RETRY, Retry, Slice
from contract._client_async import AsyncExecutorClient
from contract._client_sync import ExecutorClient
from contract.versions import NEWEST, OLDEST

__all__ = ["FOREVER", "NO_RETRY", "SPOKEN", "AsyncExecutorClient", "ExecutorClient", "Retry", "Slice"]

# What these clients speak: what an executor registers with.
SPOKEN = models.ContractRange(min=OLDEST, max=NEWEST)
