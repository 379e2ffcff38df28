# Downloads the packages of constraints.txt, only as wheels with these hashes. The image then contains the packages that
# the service needs, without build tools.
FROM python:3.13-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
COPY constraints.txt ./
RUN pip download --quiet --no-deps --require-hashes --only-binary :all: --dest /wheels -r constraints.txt \
    && pip install --quiet --no-index --find-links /wheels hatchling
COPY pyproject.toml README.rst LICENSE ./
COPY app ./app
COPY documents ./documents
COPY services ./services
COPY routes ./routes
RUN pip wheel --quiet --no-deps --no-build-isolation --wheel-dir /wheels . \
    && python -m venv --without-pip /opt/task-timer \
    && pip --python /opt/task-timer/bin/python install --quiet --no-index --find-links /wheels task-timer \
    && /opt/task-timer/bin/python -m compileall -q /opt/task-timer/lib

FROM python:3.13-slim
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin task-timer
COPY --from=build /opt/task-timer /opt/task-timer
ENV PATH=/opt/task-timer/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOST=0.0.0.0 \
    PORT=8000 \
    WORKERS=1
WORKDIR /srv
USER task-timer
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen('http://127.0.0.1:' + os.environ['PORT'] + '/health/ready', timeout=4)"]
CMD ["task-timer", "serve"]
