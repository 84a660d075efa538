# syntax=docker/dockerfile:1
# Targets: `site`, `api` (the two services), `django` (a site that shares their sessions) and `tests` (every test, with
# the servers it needs). Images are pinned by the digest of all their architectures; Dependabot raises it with the tag.

FROM rust:1.95.0-slim-bookworm@sha256:d7482085ff5b415f84dba5647ae71606650bdef00db7aeb69f4b3d170c3e4082 AS build
WORKDIR /src
COPY . .
# The caches are mounts: the binaries must be copied out of them in the same step.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target,sharing=locked \
    cargo build --locked --release -p shared-session-examples --example site --example api \
    && install -D -t /out target/release/examples/site target/release/examples/api

FROM debian:bookworm-20260918-slim@sha256:3783cc01769c7b2b1b83a5c5ad96c815348e28ed7da68e2e3687004faa906251 AS runtime
RUN groupadd --system --gid 10001 app \
    && useradd --system --uid 10001 --gid app --home-dir /data --no-create-home --shell /usr/sbin/nologin app \
    && install -d -o app -g app -m 0700 /data
# The embedded database and generated key, for those who set no URL.
ENV DATA_DIR=/data
WORKDIR /data
VOLUME /data
USER 10001:10001

FROM runtime AS site
COPY --from=build /out/site /usr/local/bin/site
ENV SITE_ADDR=0.0.0.0:8000
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
    CMD ["/usr/local/bin/site", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/site"]

FROM runtime AS api
COPY --from=build /out/api /usr/local/bin/api
ENV API_ADDR=0.0.0.0:8001
EXPOSE 8001
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
    CMD ["/usr/local/bin/api", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/api"]

FROM python:3.13.14-slim-bookworm@sha256:67a1e1f215ccda113cfc024e8639049257e88f273898f595b61476d128d387e8 AS django
WORKDIR /app
COPY tests/interop/requirements /requirements
RUN pip install --no-cache-dir -r /requirements/django-5.2.txt
COPY tests/interop/django_site /app
USER 10001:10001
EXPOSE 8002
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8002/admin/login/', timeout=2)"]
CMD ["gunicorn", "--bind", "0.0.0.0:8002", "--workers", "2", "wsgi"]

FROM rust:1.95.0-slim-bookworm@sha256:d7482085ff5b415f84dba5647ae71606650bdef00db7aeb69f4b3d170c3e4082 AS tests
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends make postgresql python3 python3-pip python3-venv redis-server \
    && rm -rf /var/lib/apt/lists/*
# PostgreSQL refuses to run as root, so the tests do not.
RUN useradd --create-home --uid 10001 tests \
    && install -d -o tests -g tests /src /src/target /cargo /cargo/registry
ENV CARGO_HOME=/cargo
WORKDIR /src
COPY --chown=tests:tests . .
USER 10001
CMD ["make", "test"]
