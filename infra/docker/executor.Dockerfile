# One image per executor kind: an interpreter, the locked packages of that kind, the contract's client and the runtime.
# No compiler, no package manager of ours, no database driver, no other engine.
#
#   docker build -f infra/docker/executor.Dockerfile --build-arg KIND=python -t control-room-executor-python .
#
# Spark's has its jars and a Java beside that; ENGINE=spark-jars fetches them, and the name of an image that holds them in
# /opt/engine takes them from there:
#
#   docker build -f infra/docker/executor.Dockerfile --build-arg KIND=spark --build-arg ENGINE=spark-jars \
#       --build-arg SYSTEM_PACKAGES=openjdk-17-jre-headless -t control-room-executor-spark .
ARG BASE=docker.io/library/python:3.11-slim-bookworm
ARG ENGINE=no-engine

FROM ${BASE} AS packages
ARG KIND
ARG LOCK=${KIND}
COPY locks/${LOCK}.lock /build/requirements.lock
RUN --mount=type=cache,target=/root/.cache/pip python3 -m venv /opt/venv \
 && /opt/venv/bin/pip install --disable-pip-version-check --quiet --require-hashes -r /build/requirements.lock

# What an engine needs beside Python packages: nothing, or files of a Maven repository, each checked by its pinned sum.
FROM ${BASE} AS no-engine
RUN mkdir /opt/engine

FROM packages AS spark-jars
# A Maven repository: https://…; without one, mvn knows its own.
ARG MAVEN_URL=""
COPY infra/docker/spark_jars.py /build/spark_jars.py
# The certificates of the base image count for Java, too, so that a base with a company's own authority works.
RUN [ -n "${MAVEN_URL}" ] || { mkdir -p /usr/share/man/man1 && apt-get update -qq \
 && csplit -s -z -f /usr/local/share/ca-certificates/base- -b %03d.crt /etc/ssl/certs/ca-certificates.crt '/BEGIN CERT/' '{*}' \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends maven >/dev/null \
 && update-ca-certificates >/dev/null 2>&1; }
COPY control_room/__init__.py control_room/errors.py /build/source/control_room/
COPY control_room/engines /build/source/control_room/engines
RUN PYTHONPATH=/build/source OPS_MAVEN_URL=${MAVEN_URL} /opt/venv/bin/python /build/spark_jars.py /opt/engine

FROM ${ENGINE} AS engine

FROM packages AS code
ARG KIND
COPY pyproject.toml README.md LICENSE /build/source/
COPY contract /build/source/contract
COPY ops_schema /build/source/ops_schema
COPY executors /build/source/executors
COPY control_room /build/source/control_room
# The control room's own code stays out: an executor knows the contract and nothing else. So do kinds that this one names
# nowhere, nor one that it names.
RUN /opt/venv/bin/pip install --disable-pip-version-check --no-cache-dir --quiet --no-deps --no-build-isolation \
        --target /opt/app /build/source \
 && rm -rf /opt/app/control_room /opt/app/ops_schema /opt/app/contract/server /opt/app/bin \
 && cd /opt/app/executors && needed=" ${KIND} " \
 && for again in 1 2 3; do for found in */executor.py; do other=${found%/*}; \
        case "${needed}" in *" ${other} "*) ;; *) ! grep -rqE "executors\.${other}[. ]" ${needed} || needed="${needed}${other} " ;; esac; \
    done; done \
 && for found in */executor.py; do other=${found%/*}; case "${needed}" in *" ${other} "*) ;; *) rm -r "${other}" ;; esac; done \
 && find /opt/app -name '*.pyc' -delete && /opt/venv/bin/python -m compileall -q /opt/app

FROM packages AS slim
# Tests of packages that bring many of them; dbt's own folders of this name hold what it runs.
RUN cd /opt/venv/lib/python3*/site-packages && rm -rf pandas/tests numpy/tests numpy/*/tests pyarrow/tests
RUN /opt/venv/bin/pip uninstall --disable-pip-version-check --quiet --yes setuptools wheel pip \
 && /opt/venv/bin/python -c 'import pathlib, sysconfig; pathlib.Path(sysconfig.get_path("purelib"), "control-room.pth").write_text("/opt/app\n")'

# What is inside, as CycloneDX, from the environment itself; the tool that lists it stays in this stage.
FROM ${BASE} AS bill
COPY locks/sbom.lock /build/sbom.lock
RUN --mount=type=cache,target=/root/.cache/pip python3 -m venv /opt/sbom \
 && /opt/sbom/bin/pip install --disable-pip-version-check --quiet --require-hashes -r /build/sbom.lock
COPY infra/docker/bill_of_jars.py /build/bill_of_jars.py
COPY --from=slim /opt/venv /opt/venv
COPY --from=engine /opt/engine /opt/engine
RUN /opt/sbom/bin/cyclonedx-py environment --output-reproducible --of JSON -o /build/sbom.cdx.json /opt/venv/bin/python \
 && python3 /build/bill_of_jars.py /build/sbom.cdx.json /opt/engine

FROM ${BASE}
ARG KIND
ARG SYSTEM_PACKAGES=""
ARG VERSION=0.1.0
ARG REVISION=unknown
# Java's packages want a folder of manuals, which slim images lack.
RUN mkdir -p /usr/share/man/man1 && apt-get update -qq \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends tini ${SYSTEM_PACKAGES} >/dev/null \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/apt /var/log/dpkg.log \
 && useradd --uid 10001 --user-group --home-dir /work --no-create-home --shell /usr/sbin/nologin executor \
 && install -d -o 10001 -g 10001 -m 0700 /work
COPY --from=slim /opt/venv /opt/venv
COPY --from=bill /build/sbom.cdx.json /usr/share/sbom/control-room.cdx.json
COPY --from=engine /opt/engine /opt/engine
COPY --from=code /opt/app /opt/app
ENV PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    OPS_WORK_DIR=/work CONTROL_ROOM_KIND=${KIND} OPS_IMAGE=executor-${KIND}:${VERSION}@${REVISION}
LABEL org.opencontainers.image.title="Lakehouse Control Room: ${KIND} executor" \
      org.opencontainers.image.description="Claims runs of kind ${KIND} through the executor contract and executes them." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
USER 10001:10001
WORKDIR /work
VOLUME ["/work"]
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 CMD ["python", "-m", "executors.runtime.health"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/bin/tini", "--"]
CMD ["sh", "-c", "exec python -m executors.runtime.main \"$CONTROL_ROOM_KIND\""]
