"""The executor contract: the published OpenAPI document, its models, errors, client and server."""
