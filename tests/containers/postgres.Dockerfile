# Stands in for the public image of Postgres where no image registry can be reached: Debian's Postgres, told by the same
# variables. A real server, of another version.
ARG BASE
FROM ${BASE}
RUN apt-get update -qq \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql tini \
 && rm -rf /var/lib/apt/lists/*
COPY tests/containers/postgres-entrypoint /usr/local/bin/postgres-entrypoint
USER postgres
STOPSIGNAL SIGINT
ENTRYPOINT ["/usr/bin/tini", "--", "/usr/local/bin/postgres-entrypoint"]
