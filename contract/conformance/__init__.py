"""Black-box conformance kits: does a server, or an executor in any language, keep the executor contract?

    server_kit.run(...)     asks a running server what only a correct one answers
    executor_kit.run(...)   acts as the server and judges an executor that it starts as a process

Both give one `Result` per case and one machine-readable verdict; the command line only draws it. They know the contract
(models, errors, canonical digests) and nothing of this project's server or executors.
"""
