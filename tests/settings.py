"""The site's own settings with the environment of a test run: SQLite by default, PostgreSQL and Redis with TESTDB=pg.

``TEST_DATABASE_URL`` and ``TEST_REDIS_URL`` name the servers; script/test starts its own and sets them.
"""

import base64
import os
import tempfile

_KEY = base64.b64encode(bytes(32)).decode()
os.environ.update(
    DEBUG="true",
    SECRET_KEY="only-for-tests-" + "x" * 40,
    SEALING_KEYS=f"t1:{_KEY}",
    DIGEST_KEYS=f"t1:{_KEY}",
    SITE_URL="http://testserver",
    ALLOWED_HOSTS="testserver,127.0.0.1,localhost",
    STRIPE_SECRET_KEY="sk_test_only_for_tests",
    STRIPE_WEBHOOK_SECRETS="whsec_only_for_tests",
    STRIPE_API_BASE="http://127.0.0.1:9",
)
os.environ.setdefault("LEADFAIR_VAR", tempfile.mkdtemp(prefix="leadfair-test-"))
ON_POSTGRESQL = os.environ.get("TESTDB") == "pg"
os.environ["DATABASE_URL"] = os.environ["TEST_DATABASE_URL"] if ON_POSTGRESQL else ""
os.environ["REDIS_URL"] = os.environ["TEST_REDIS_URL"] if ON_POSTGRESQL else ""
os.environ["EMAIL_URL"] = ""

from marketplace.settings import *  # noqa: E402, F403
from marketplace.settings import DATABASES, VAR  # noqa: E402

if ON_POSTGRESQL:  # making and dropping databases takes longer than a person would wait
    DATABASES["default"]["OPTIONS"]["options"] = (
        "-c lock_timeout=2s -c statement_timeout=300s -c max_parallel_workers_per_gather=0"
    )
# Races and browser tests need a database that several connections can open.
if not ON_POSTGRESQL:
    DATABASES["default"]["TEST"] = {"NAME": str(VAR / "test.sqlite3")}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
CELERY_BROKER_URL = "memory://"
WHITENOISE_AUTOREFRESH = True  # Django switches DEBUG off in tests; there is no collected folder to look into
LOGGING = {"level": "ERROR"}
