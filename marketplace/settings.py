"""All settings of Leadfair in one file; what differs between machines comes from the environment (see .env.example).

``DEBUG`` is false unless set. Without it no secret has a default and the demo parts (mailbox, stand-in processor,
demo people) do not exist.
"""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ
from celery.schedules import crontab
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from kombu import Exchange, Queue

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()

DEBUG = env.bool("DEBUG", default=False)
VAR = Path(env.str("LEADFAIR_VAR", default=str(BASE_DIR / "var"))).resolve()


def _secret(name: str) -> str:
    """A secret from the environment; there is no default, not even with DEBUG (script/server makes the demo's)."""
    value = env.str(name, default="")
    if not value:
        raise ImproperlyConfigured(f"Set {name} in the environment; script/server makes one for a demo.")
    return value


SECRET_KEY = _secret("SECRET_KEY")
SEALING_KEYS = _secret("SEALING_KEYS")  # "id:base64 of 32 bytes", comma separated, the first one seals
DIGEST_KEYS = _secret("DIGEST_KEYS")  # same form, the first one makes new digests

SITE_URL = env.str("SITE_URL", default="http://127.0.0.1:8000" if DEBUG else "").rstrip("/")
if not SITE_URL:
    raise ImproperlyConfigured("Set SITE_URL, for example https://leadfair.example; links in mails start with it.")
ALLOWED_HOSTS = env.list(
    "ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "[::1]"] if DEBUG else [urlsplit(SITE_URL).hostname or ""]
)
TRUSTED_PROXY_COUNT = env.int("TRUSTED_PROXY_COUNT", default=0)
CSRF_TRUSTED_ORIGINS = [SITE_URL]

# Listed from the ground floor up (DESIGN, the layout).
INSTALLED_APPS = [
    "marketplace.core.apps.CoreConfig",
    "privacy.declare.apps.DeclareConfig",
    "privacy.vault.apps.VaultConfig",
    "privacy.policy.apps.PolicyConfig",
    "marketplace.mail.apps.MailConfig",
    "privacy.apps.PrivacyConfig",
    "accounts.apps.AccountsConfig",
    "marketplace.ledger.apps.LedgerConfig",
    "marketplace.wallet.apps.WalletConfig",
    "marketplace.leads.apps.LeadsConfig",
    "marketplace.supply.apps.SupplyConfig",
    "marketplace.purchases.apps.PurchasesConfig",
    "marketplace.staff.apps.StaffConfig",
    "marketplace.apps.MarketplaceConfig",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "csp",
    "phonenumber_field",
    "django_htmx",
    "marketplace.staff.apps.StaffAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.sitemaps",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.forms",
]

MIDDLEWARE = [
    "marketplace.core.middleware.log_requests",
    "marketplace.core.middleware.ContentSecurityPolicy",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django_permissions_policy.PermissionsPolicyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "marketplace.staff.viewing.view_as_buyer",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "marketplace.core.middleware.refuse_long_addresses",
    "marketplace.core.middleware.keep_signed_in_pages_private",
    "marketplace.core.middleware.answer_refusals",
    "allauth.account.middleware.AccountMiddleware",
]

ROOT_URLCONF = "marketplace.urls"
WSGI_APPLICATION = "marketplace.wsgi.application"
ASGI_APPLICATION = "marketplace.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "marketplace.core.context.site",
            ],
        },
    }
]
FORM_RENDERER = "marketplace.core.forms.Renderer"

# --- databases ------------------------------------------------------------------------------------------------------

DATABASE_URL = env.str("DATABASE_URL", default="")
if DATABASE_URL:
    DATABASES = {"default": env.db_url_config(DATABASE_URL)}
    DATABASES["default"]["CONN_MAX_AGE"] = 60
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
else:
    DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(VAR / "leadfair.sqlite3")}}
if "sqlite" in DATABASES["default"]["ENGINE"]:
    # Writers queue at a file lock before BEGIN IMMEDIATE; without it SQLite lets some of them starve for seconds.
    DATABASES["default"]["ENGINE"] = "marketplace.core.sqlite"
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        # recursive_triggers: INSERT OR REPLACE deletes rows and would pass the append-only triggers by.
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON; "
        "PRAGMA recursive_triggers=ON;",
    }
else:
    DATABASES["default"].setdefault("OPTIONS", {}).update(
        {
            # A stuck session must not hold the others for longer than a person waits. Nothing here reads enough rows to
            # be worth a second process: to start one takes longer than it saves.
            "options": "-c lock_timeout=2s -c statement_timeout=30s -c idle_in_transaction_session_timeout=30s "
            "-c max_parallel_workers_per_gather=0",
            # A statement seen often enough is planned once and then only run.
            "server_side_binding": True,
            "prepare_threshold": 5,
        }
    )
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = env.str("REDIS_URL", default="")
# Keys are keyed digests (core.cache.digest_key), so that neither Redis nor the cache table names a person.
CACHES: dict[str, dict[str, Any]] = {
    "database": {
        "BACKEND": "marketplace.core.cache.DatabaseCache",
        "LOCATION": "core_cache",
        "KEY_FUNCTION": "marketplace.core.cache.digest_key",
    },
}
CACHES["default"] = (
    {
        "BACKEND": "marketplace.core.cache.RedisThenDatabase",
        "LOCATION": REDIS_URL,
        "KEY_FUNCTION": "marketplace.core.cache.digest_key",
        "OPTIONS": {"serializer": "marketplace.core.cache.Json", "socket_connect_timeout": 1, "socket_timeout": 2},
    }
    if REDIS_URL
    else CACHES["database"]
)

# Parts of pages that are the same for many, in the memory of each process: all that they say and that can change is in
# their key, so that none is ever out of date. Nothing of a person is in them, and nothing that somebody typed.
CACHES["fragments"] = {
    "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
    "LOCATION": "fragments",
    "OPTIONS": {"MAX_ENTRIES": 2000},
}

# --- people ---------------------------------------------------------------------------------------------------------

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
    {"NAME": "accounts.validators.NotTooLongValidator"},
    {"NAME": "accounts.validators.NotOurNameValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "leads:catalogue"

ACCOUNT_ADAPTER = "accounts.adapter.AccountAdapter"
ACCOUNT_FORMS = {
    "signup": "accounts.forms.SignupForm",
    "login": "accounts.forms.SignInForm",
    "confirm_email_verification_code": "accounts.forms.EmailCodeForm",
    "reset_password": "accounts.forms.ResetRequestForm",
    "confirm_password_reset_code": "accounts.forms.ResetCodeForm",
    "reset_password_from_key": "accounts.forms.NewPasswordForm",
    "change_password": "accounts.forms.ChangePasswordForm",
    "reauthenticate": "accounts.forms.ConfirmPasswordForm",
    "add_email": "accounts.forms.ChangeEmailForm",
}
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = True
ACCOUNT_EMAIL_VERIFICATION_BY_CODE_TIMEOUT = 10 * 60
ACCOUNT_EMAIL_VERIFICATION_BY_CODE_MAX_ATTEMPTS = 3
ACCOUNT_EMAIL_VERIFICATION_SUPPORTS_RESEND = True
ACCOUNT_EMAIL_VERIFICATION_SUPPORTS_CHANGE = False  # a change would tell whether an address is known
ACCOUNT_PASSWORD_RESET_BY_CODE_ENABLED = True
ACCOUNT_PASSWORD_RESET_BY_CODE_TIMEOUT = 10 * 60
# 8 digits, 3 tries each: under the limits below, a day of guessing at one account succeeds once in 50,000 times.
ALLAUTH_USER_CODE_FORMAT = {"numeric": True, "length": 8, "dashed": False}
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False
ACCOUNT_CHANGE_EMAIL = True
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_REAUTHENTICATION_TIMEOUT = 15 * 60
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_SESSION_REMEMBER = None  # the box on the sign-in page decides (AL-23)
ACCOUNT_RATE_LIMITS = {
    "change_password": "5/m/user",
    "manage_email": "10/m/user",
    "reset_password": "20/m/ip,5/m/key,20/h/key",
    "reset_password_from_key": "20/m/ip",
    "reauthenticate": "10/m/user",
    "signup": "20/m/ip",
    "login": "30/m/ip",
    "login_failed": "20/m/ip,5/300s/key",
    "confirm_email": "1/10s/key,10/h/key",
    # Three codes of six digits are right at a time: a day of guessing by somebody who knows the password finds one once
    # in 6,000 times.
    "second_factor": "20/m/ip,5/300s/key,50/d/key",
}

MFA_ADAPTER = "accounts.adapter.FactorAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_FORMS = {
    "authenticate": "accounts.factor_forms.SecondStepForm",
    "reauthenticate": "accounts.factor_forms.ConfirmByCodeForm",
    "authenticate_webauthn": "accounts.factor_forms.SecondStepPasskeyForm",
    "reauthenticate_webauthn": "accounts.factor_forms.ConfirmByPasskeyForm",
}
MFA_TOTP_ISSUER = "Leadfair"
MFA_TOTP_TOLERANCE = 1  # half minutes that clocks may differ
# Our staff need a second factor; a demo lets those in who have none yet.
STAFF_SECOND_FACTOR = not DEBUG
ALLAUTH_TRUSTED_PROXY_COUNT = TRUSTED_PROXY_COUNT

SESSION_ENGINE = "marketplace.core.sessions"
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_AGE = None
CSRF_COOKIE_HTTPONLY = True
CSRF_FAILURE_VIEW = "marketplace.views.csrf_failure"
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

# --- transport security ---------------------------------------------------------------------------------------------

SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SECURE_CONTENT_TYPE_NOSNIFF = True
X_FRAME_OPTIONS = "DENY"
if not DEBUG:
    SECURE_SSL_REDIRECT = True
    SECURE_REDIRECT_EXEMPT = [r"^livez$", r"^readyz$"]
    SECURE_HSTS_SECONDS = 365 * 24 * 3600
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True
    SESSION_COOKIE_NAME = "__Host-sessionid"
    CSRF_COOKIE_NAME = "__Host-csrftoken"
    if TRUSTED_PROXY_COUNT:
        SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "object-src": [NONE],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "form-action": [SELF],
        "upgrade-insecure-requests": not DEBUG,
    }
}
_FEATURES = "accelerometer camera display-capture geolocation gyroscope microphone payment usb"
PERMISSIONS_POLICY: dict[str, list[str]] = {feature: [] for feature in _FEATURES.split()}
DATA_UPLOAD_MAX_MEMORY_SIZE = 512 * 1024
# No page takes a file but the one that seals it as it arrives (supply): elsewhere none reaches memory or disk.
FILE_UPLOAD_HANDLERS = ["marketplace.core.uploads.NoFiles"]
UPLOADS = VAR / "uploads"
DATA_UPLOAD_MAX_NUMBER_FIELDS = 500
LEADS_AT_ONCE = 50  # in one order; their ids fit into an address

# --- exports --------------------------------------------------------------------------------------------------------

EXPORT_FILES = VAR / "exports"  # sealed; web and worker share the folder

# --- mail -----------------------------------------------------------------------------------------------------------

EMAIL_URL = env.str("EMAIL_URL", default="")
MAIL_FROM = env.str("MAIL_FROM", default="Leadfair <hello@leadfair.example>")
DEFAULT_FROM_EMAIL = SERVER_EMAIL = MAIL_FROM
MAIL_FILES = VAR / "mail"
if EMAIL_URL:
    _email = env.email_url_config(EMAIL_URL)
    EMAIL_BACKEND = "marketplace.mail.backends.Smtp"
    EMAIL_HOST, EMAIL_PORT = _email["EMAIL_HOST"], _email["EMAIL_PORT"]
    EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = _email["EMAIL_HOST_USER"] or "", _email["EMAIL_HOST_PASSWORD"] or ""
    EMAIL_USE_TLS, EMAIL_USE_SSL = _email.get("EMAIL_USE_TLS", False), _email.get("EMAIL_USE_SSL", False)
else:
    EMAIL_BACKEND = "marketplace.mail.backends.OneFilePerMessage"
EMAIL_TIMEOUT = 15

# --- card processor -------------------------------------------------------------------------------------------------

STRIPE_SECRET_KEY = env.str("STRIPE_SECRET_KEY", default="")
STRIPE_WEBHOOK_SECRETS = env.list("STRIPE_WEBHOOK_SECRETS", default=[])
STRIPE_API_BASE = env.str("STRIPE_API_BASE", default="")
STRIPE_CHECKOUT_ORIGIN = STRIPE_API_BASE or "https://checkout.stripe.com"
if not DEBUG:
    if STRIPE_API_BASE:
        raise ImproperlyConfigured("STRIPE_API_BASE points to a stand-in processor; that is for DEBUG only.")
    if not STRIPE_SECRET_KEY or not STRIPE_WEBHOOK_SECRETS:
        raise ImproperlyConfigured("Set STRIPE_SECRET_KEY and STRIPE_WEBHOOK_SECRETS.")

# --- jobs -----------------------------------------------------------------------------------------------------------

CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
# Nobody waits for a broker: the row is there already, and beat finds it. This is about sending on a connection;
# "max_retries" below about making one, for which kombu would take six seconds.
CELERY_TASK_PUBLISH_RETRY = False
CELERY_TASK_SOFT_TIME_LIMIT = 45
CELERY_TASK_TIME_LIMIT = 60
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_ENABLE_REMOTE_CONTROL = bool(REDIS_URL)
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# A worker takes a message and then notes that it has it. A full Redis refuses the note, of which a worker would die.
CELERY_BROKER_CHANNEL_ERROR_RETRY = True
CELERY_BEAT_SCHEDULE_FILENAME = str(VAR / "celerybeat-schedule")
if REDIS_URL:
    CELERY_BROKER_URL = REDIS_URL
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "visibility_timeout": 900,
        "max_retries": 0,
        "socket_connect_timeout": 1,
        "socket_timeout": 3,  # the worker's own waiting takes one
        "global_keyprefix": "leadfair:",
    }
else:
    CELERY_BROKER_URL = "filesystem://"
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "data_folder_in": str(VAR / "broker"),
        "data_folder_out": str(VAR / "broker"),
        "control_folder": str(VAR / "broker-control"),
        "polling_interval": 0.1,
    }
# Jobs of minutes have a queue of their own, so that a worker beside them sees to what people wait for. One that is
# told of no queue works off both.
CELERY_TASK_QUEUES = [Queue(name, Exchange(name), name) for name in ("celery", "long")]
CELERY_TASK_ROUTES = {
    name: {"queue": "long"}
    for name in ("purchases.write_exports", "supply.work", "marketplace.check_books", "wallet.reconcile")
}
CELERY_BEAT_SCHEDULE = {
    "deliver mail": {"task": "mail.deliver_due", "schedule": 5.0, "options": {"expires": 5}},
    "work off the inbox": {"task": "wallet.process_events", "schedule": 10.0, "options": {"expires": 10}},
    "ask the card processor what happened": {"task": "wallet.sweep", "schedule": 600.0},
    "hold the books against the card processor's": {"task": "wallet.reconcile", "schedule": 600.0},
    "reprice leads": {"task": "leads.reprice", "schedule": crontab(minute=7)},
    "count leads on sale": {"task": "leads.count", "schedule": 60.0, "options": {"expires": 60}},
    "forget removed searches": {"task": "leads.forget_removed_searches", "schedule": crontab(minute="*/10")},
    "look at the market": {"task": "leads.look_around", "schedule": crontab(minute=1)},
    "tell buyers of revocations": {"task": "purchases.tell_of_revocations", "schedule": crontab(minute="*/10")},
    "write exports": {"task": "purchases.write_exports", "schedule": 15.0, "options": {"expires": 15}},
    "forget removed notes and old exports": {"task": "purchases.forget", "schedule": crontab(minute="*/10")},
    "take in files": {"task": "supply.work", "schedule": 15.0, "options": {"expires": 15}},
    "delete files": {"task": "supply.tidy", "schedule": 600.0},
    "check the books": {"task": "marketplace.check_books", "schedule": crontab(hour=4, minute=17)},
    "look at the site's work": {"task": "marketplace.watch", "schedule": 300.0, "options": {"expires": 300}},
    "forget sessions": {"task": "core.clear_sessions", "schedule": crontab(hour=3, minute=11)},
    "forget counters": {"task": "core.clear_counters", "schedule": crontab(minute=23)},
}
if DEBUG:
    CELERY_BEAT_SCHEDULE["list new demo leads"] = {"task": "marketplace.list_demo_leads", "schedule": 240.0}

# --- the rest -------------------------------------------------------------------------------------------------------

LANGUAGE_CODE = "en-us"
USE_I18N = False
FORMAT_MODULE_PATH = "marketplace.core.formats"
TIME_ZONE = "UTC"
USE_TZ = True

STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = Path(env.str("LEADFAIR_STATIC", default=str(VAR / "static")))  # an image brings them along
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = DEBUG
if DEBUG:
    # Chromium asks again for a font it may not keep, and then does not use what the page preloads. Elsewhere the names
    # of all files carry a digest, and they are kept.
    WHITENOISE_IMMUTABLE_FILE_TEST = r"\.woff2$"

PHONENUMBER_DEFAULT_REGION = "US"
PHONENUMBER_DB_FORMAT = "E164"

LOGGING_CONFIG = "marketplace.core.logs.configure"
LOGGING = {"level": env.str("LOG_LEVEL", default="INFO")}
