#!/bin/sh
# Recompile every lock from pyproject.toml. One resolution (dev) constrains the others, so a version means the same
# everywhere. Universal: one file serves Python 3.11 to 3.13 through markers. Holds hashes, no registry address.
set -eu
cd "$(dirname "$0")/.."
UV=${UV:-.venv/bin/uv}
compile() {
    out=$1; shift
    "$UV" pip compile pyproject.toml "$@" --universal --python-version 3.11 --generate-hashes \
        --no-header --no-annotate --no-strip-extras --no-emit-index-url --no-emit-find-links --quiet -o "locks/$out.lock"
    echo "locks/$out.lock: $(grep -c '==' "locks/$out.lock") packages"
}
compile dev --extra build --extra dev "$@"
for set in node server python notebook dbt duckdb trino local demo lakehouse flights objectstore; do
    compile "$set" --extra build --extra "$set" -c locks/dev.lock
done
# A tool of the images' build, installed by itself: what it needs shall not bind what the product needs.
compile sbom --extra sbom
