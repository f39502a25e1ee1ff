# The site: web server, workers, beat and the monitor's page are one image with different commands (compose.yaml).
#
#     docker build -t leadfair .
#
# BASE is any image with Python 3.11; a newer digest of the same name brings the newest Debian packages.
ARG BASE=docker.io/library/python:3.11-slim-bookworm@sha256:a36c24f9cbdf4fd0f52d67f0823eeac19c2028c637cecc392d97f980d4fec56b

FROM ${BASE} AS packages
COPY requirements.txt .
RUN python3 -m venv /venv && /venv/bin/pip install --no-cache-dir --disable-pip-version-check -r requirements.txt

FROM ${BASE}
# The number is fixed: volumes belong to it, whatever image they are mounted into.
RUN groupadd --gid 10001 leadfair \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin leadfair \
    && install -d -o 10001 -g 10001 -m 750 /var/lib/leadfair
COPY --from=packages /venv /venv
WORKDIR /app
COPY manage.py ./
COPY accounts accounts
COPY marketplace marketplace
COPY privacy privacy
COPY static static
COPY templates templates
COPY deploy/healthy.py deploy/
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    LEADFAIR_VAR=/var/lib/leadfair LEADFAIR_STATIC=/app/collected
# Collecting needs keys of the right form and uses none; these are gone with this step.
RUN key="k:$(python -c 'import base64, secrets; print(base64.b64encode(secrets.token_bytes(32)).decode())')" \
    && SECRET_KEY="$key" SEALING_KEYS="$key" DIGEST_KEYS="$key" SITE_URL=https://build.invalid \
    STRIPE_SECRET_KEY=none STRIPE_WEBHOOK_SECRETS=none python manage.py collectstatic --no-input --verbosity 0 \
    && python -m compileall -q accounts marketplace privacy \
    && rm -rf /var/lib/leadfair/*
USER 10001:10001
VOLUME /var/lib/leadfair
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s CMD ["python", "deploy/healthy.py", "web"]
# Heartbeats of gunicorn's workers are files: in memory no slow disk makes one look dead.
CMD ["gunicorn", "marketplace.wsgi", "--bind", "0.0.0.0:8000", "--worker-class", "gthread", "--workers", "4", \
    "--threads", "8", "--no-control-socket", "--limit-request-line", "8190", "--worker-tmp-dir", "/dev/shm"]
