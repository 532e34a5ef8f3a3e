#!/bin/sh
# Recompile every lock from pyproject.toml. One resolution (dev) constrains the others, so a version means the same
# everywhere. Universal: one file serves Python 3.11 to 3.13 through markers. Holds hashes, no registry address.
set -eu
cd "$(dirname "$0")/.."
UV=${UV:-.venv/bin/uv}
compile() {
    out=$1; shift
    "$UV" pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
        --no-header --no-annotate --no-strip-extras --no-emit-index-url --no-emit-find-links --quiet "$@" -o "locks/$out.lock"
    echo "locks/$out.lock: $(grep -c '==' "locks/$out.lock") packages"
}
compile dev --extra build --extra dev "$@"
for set in node server python notebook dbt duckdb trino command local demo lakehouse flights objectstore; do
    compile "$set" --extra build --extra "$set" -c locks/dev.lock
done
# delta-spark asks for pyspark without its extra, which pip, told to check hashes, takes for another package that is not
# pinned. What the extra brings is in the lock by its own names.
sed -i 's/^pyspark\[connect\]==/pyspark==/' locks/lakehouse.lock
compile dbt-spark --extra build --extra dbt-spark -c locks/dev.lock
compile dbt-all --extra build --extra dbt-all -c locks/dev.lock
# delta-spark wants an older importlib-metadata than the others do, and pyspark without its extra, which pip holds for another
# package than the one with it where it checks hashes.
constraints=$(mktemp)
trap 'rm -f "$constraints"' EXIT
sed '/^importlib-metadata==/,/[^\\]$/d' locks/dev.lock > "$constraints"
compile spark --extra build --extra spark --strip-extras -c "$constraints"
# A tool of the images' build, installed by itself: what it needs shall not bind what the product needs.
compile sbom --extra sbom
