# The server: both APIs, the dashboard, the reactor, and `control-room migrate` with the migrations.
#
#   docker build -f infra/docker/server.Dockerfile -t control-room-server .
ARG BASE=docker.io/library/python:3.11-slim-bookworm

FROM ${BASE} AS web
COPY locks/node.lock /build/node.lock
RUN --mount=type=cache,target=/root/.cache/pip python3 -m venv /opt/node \
 && /opt/node/bin/pip install --disable-pip-version-check --quiet --require-hashes -r /build/node.lock
# The certificates of the base image count, so that a base with a company's own authority works.
ENV PATH=/opt/node/bin:/usr/local/bin:/usr/bin:/bin NEXT_TELEMETRY_DISABLED=1 NODE_USE_SYSTEM_CA=1
COPY control_room/web/package.json control_room/web/package-lock.json control_room/web/.npmrc /build/control_room/web/
WORKDIR /build/control_room/web
RUN --mount=type=cache,target=/root/.npm npm ci --no-audit --no-fund --loglevel=error
COPY control_room/web /build/control_room/web
RUN npm run --silent dist

FROM ${BASE} AS packages
COPY locks/server.lock /build/requirements.lock
RUN --mount=type=cache,target=/root/.cache/pip python3 -m venv /opt/venv \
 && /opt/venv/bin/pip install --disable-pip-version-check --quiet --require-hashes -r /build/requirements.lock

FROM packages AS code
COPY pyproject.toml README.md LICENSE /build/source/
COPY contract /build/source/contract
COPY ops_schema /build/source/ops_schema
COPY executors /build/source/executors
COPY control_room /build/source/control_room
COPY --from=web /build/control_room/web_dist /build/source/control_room/web_dist
RUN /opt/venv/bin/pip install --disable-pip-version-check --no-cache-dir --quiet --no-deps --no-build-isolation \
        --target /opt/app /build/source \
 && rm -rf /opt/app/bin \
 && find /opt/app -name '*.pyc' -delete && /opt/venv/bin/python -m compileall -q /opt/app

FROM packages AS slim
RUN /opt/venv/bin/pip uninstall --disable-pip-version-check --quiet --yes setuptools wheel pip \
 && /opt/venv/bin/python -c 'import pathlib, sysconfig; pathlib.Path(sysconfig.get_path("purelib"), "control-room.pth").write_text("/opt/app\n")' \
 && printf '#!/bin/sh\nexec python -m control_room.cli "$@"\n' > /opt/venv/bin/control-room && chmod 0755 /opt/venv/bin/control-room

# What is inside, as CycloneDX, from the environment itself; the tool that lists it stays in this stage.
FROM ${BASE} AS bill
COPY locks/sbom.lock /build/sbom.lock
RUN --mount=type=cache,target=/root/.cache/pip python3 -m venv /opt/sbom \
 && /opt/sbom/bin/pip install --disable-pip-version-check --quiet --require-hashes -r /build/sbom.lock
COPY --from=slim /opt/venv /opt/venv
RUN /opt/sbom/bin/cyclonedx-py environment --output-reproducible --of JSON -o /build/sbom.cdx.json /opt/venv/bin/python

FROM ${BASE}
ARG VERSION=0.1.0
ARG REVISION=unknown
RUN apt-get update -qq \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends tini \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/apt /var/log/dpkg.log \
 && useradd --uid 10001 --user-group --home-dir /work --no-create-home --shell /usr/sbin/nologin control-room \
 && install -d -o 10001 -g 10001 -m 0700 /work /store /secrets /secrets/server /secrets/operator \
        /secrets/trino-server /secrets/trino-data /secrets/spark-server \
 && for kind in python notebook dbt duckdb command trino spark; do \
        install -d -o 10001 -g 10001 -m 0700 "/secrets/executor-${kind}"; done \
 && install -d -o 10001 -g 10001 -m 0755 /secrets/database /secrets/trino-authority
COPY --from=slim /opt/venv /opt/venv
COPY --from=bill /build/sbom.cdx.json /usr/share/sbom/control-room.cdx.json
COPY --from=code /opt/app /opt/app
ENV PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    OPS_HOST=0.0.0.0 OPS_PORT=8000
LABEL org.opencontainers.image.title="Lakehouse Control Room: server" \
      org.opencontainers.image.description="Executor plane, operator plane, dashboard and reactor over one Postgres schema." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
USER 10001:10001
WORKDIR /work
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as u; u.build_opener(u.ProxyHandler({})).open(f\"http://127.0.0.1:{os.environ['OPS_PORT']}/healthz\", timeout=4)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/bin/tini", "--"]
CMD ["control-room", "server"]
