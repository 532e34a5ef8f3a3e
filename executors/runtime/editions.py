"""Versions of the contract that servers may have chosen, by what they lack."""

# Without findEarlier, without metrics beside the usage (they stand among it), without trouble in heartbeats.
FIRST = "1.0"
