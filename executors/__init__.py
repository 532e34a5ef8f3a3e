"""Executors: independent processes that know a contract URL and a token, and nothing else."""
