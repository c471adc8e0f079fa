"""Settings, read from environment variables; the defaults run on one machine with nothing else installed.

A value may also stand in a file: `NAME_FILE` names it (for secrets).
"""

from __future__ import annotations

import os
import re
from datetime import timedelta
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

import dj_database_url
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

BASE_DIR = Path(__file__).resolve().parent.parent


def env(name: str, default: str = "") -> str:
    """The variable `name`, or the content of the file that `name_FILE` points to."""
    path = os.environ.get(f"{name}_FILE")
    if path:
        return Path(path).read_text(encoding="utf-8").strip()
    return os.environ.get(name, default)


def env_flag(name: str, default: bool = False) -> bool:
    value = env(name, str(default)).lower()
    if value not in {"1", "0", "true", "false"}:
        raise ImproperlyConfigured(f"{name} must be true or false, not '{value}'.")
    return value in {"1", "true"}


def secret_key() -> str:
    """The key from the environment, or the one that `make setup` wrote into var/."""
    path = VAR_DIR / "secret_key"
    key = env("MADSAFE_SECRET_KEY") or (path.read_text(encoding="utf-8").strip() if path.is_file() else "")
    if len(key) < 50 or len(set(key)) < 10:
        raise ImproperlyConfigured(
            "There is no secret key of at least 50 characters, ten of them different. "
            "Run `make setup`, or set MADSAFE_SECRET_KEY."
        )
    return key


def encryption_keys() -> list[str]:
    """The keys for secrets at rest, the newest first: comma-separated, or one a line in what `make setup` wrote."""
    path = VAR_DIR / "encryption_keys"
    text = env("MADSAFE_ENCRYPTION_KEYS") or (path.read_text(encoding="utf-8") if path.is_file() else "")
    keys = [key.strip() for key in text.replace(",", "\n").splitlines() if key.strip()]
    if any(len(key) < 32 for key in keys):
        raise ImproperlyConfigured("Each key of MADSAFE_ENCRYPTION_KEYS must have at least 32 characters.")
    return keys


def site(url: str) -> SplitResult:
    """The address that people use. Raises ImproperlyConfigured unless it is one host, by https where not loopback."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if (
        "@" in parts.netloc
        or parts.path.strip("/")
        or not re.fullmatch(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?|[0-9a-f:]+", host)
    ):
        raise ImproperlyConfigured(
            f"MADSAFE_URL is {url}: write it as https://host or https://host:port, with one host and no path."
        )
    loopback = parts.scheme == "http" and host in LOOPBACK_HOSTS
    if not loopback and parts.scheme != "https":
        raise ImproperlyConfigured(f"MADSAFE_URL is {url}: any address but a loopback one must be https.")
    return parts


def allowed_llm_hosts() -> list[str]:
    """The servers on addresses that are not public which endpoints may name: "host:port", IPv6 without brackets.

    On an installation for one machine, everything on that machine, too.
    """
    found = [f"{host}:*" for host in LOOPBACK_HOSTS] if LOOPBACK else []
    for entry in filter(None, map(str.strip, env("MADSAFE_LLM_ALLOWED_HOSTS").split(","))):
        host, _colon, port = entry.lower().rpartition(":")
        if not port.isdecimal() or not re.fullmatch(r"[a-z0-9._-]+|\[[0-9a-f:]+\]", host):
            raise ImproperlyConfigured(
                f"MADSAFE_LLM_ALLOWED_HOSTS holds '{entry}': write host:port, several with commas between."
            )
        found.append(f"{host.strip('[]')}:{int(port)}")
    return found


VAR_DIR = Path(env("MADSAFE_VAR", str(BASE_DIR / "var")))
VAR_DIR.mkdir(parents=True, exist_ok=True)
MADSAFE_URL = env("MADSAFE_URL", "http://127.0.0.1:8000")
LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "::1")
SITE = site(MADSAFE_URL)
LOOPBACK = SITE.scheme == "http"

SECRET_KEY = secret_key()
ENCRYPTION_KEYS = encryption_keys()
DEBUG = env_flag("MADSAFE_DEBUG")
if DEBUG and not LOOPBACK:
    raise ImproperlyConfigured("MADSAFE_DEBUG shows code and values to everybody: it is for a loopback address only.")
ALLOWED_HOSTS = [
    f"[{host}]" if ":" in host else host for host in (LOOPBACK_HOSTS if LOOPBACK else [SITE.hostname or ""])
]
CSRF_TRUSTED_ORIGINS = [] if LOOPBACK else [f"https://{SITE.netloc}"]

INSTALLED_APPS = [
    "madsafe_web.core",
    "annotation",
    "pipeline",
    "evaluation",
    "django.contrib.admin.apps.SimpleAdminConfig",  # what it shows stands in madsafe_web.admin, nothing is searched for
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django_htmx",
    "template_partials",
    "csp",
    "rest_framework",
    "drf_spectacular",
    "axes",
]
MIDDLEWARE = [
    "madsafe_web.core.middleware.known_request",
    "madsafe_web.core.api.problems.problems_only",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "madsafe_web.core.health.before_sessions",
    "madsafe_web.core.logs.logged_request",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "madsafe_web.core.middleware.sliding_session",
    "madsafe_web.core.middleware.PreferredLocale",
    "madsafe_web.core.middleware.own_password",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "madsafe_web.core.middleware.no_store",
    "axes.middleware.AxesMiddleware",
]
ROOT_URLCONF = "madsafe_web.urls"
WSGI_APPLICATION = "madsafe_web.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "madsafe_web.core.context.shell",
            ],
        },
    }
]

DATABASE_URL = env("DATABASE_URL", f"sqlite:///{VAR_DIR / 'madsafe.sqlite3'}")
DATABASES = {"default": dj_database_url.parse(DATABASE_URL, conn_max_age=60, conn_health_checks=True)}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["OPTIONS"] = {
        # IMMEDIATE: a transaction that will write waits for its turn at its start, instead of failing in the middle.
        "transaction_mode": "IMMEDIATE",
        "timeout": 30,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-32000;",
    }
    DATABASES["default"]["TEST"] = {"NAME": str(VAR_DIR / "test.sqlite3")}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_USER_MODEL = "core.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",  # refuses who failed too often, then hands on to the next
    "django.contrib.auth.backends.ModelBackend",
]
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False  # a locked-out attempt is neither counted nor kept
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_DISABLE_ACCESS_LOG = True  # the audit record tells who signed in
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False
AXES_CLIENT_IP_CALLABLE = "madsafe_web.core.middleware.client_address"
AXES_LOCKOUT_CALLABLE = "madsafe_web.core.accounts.views.locked_out"
# How many proxies of ours stand before the server: so many addresses at the end of X-Forwarded-For are to be believed.
TRUSTED_PROXIES = int(env("MADSAFE_PROXIES", "0" if LOOPBACK else "1"))
LOGIN_URL = "accounts:login"
LOGIN_REDIRECT_URL = "overview"
LOGOUT_REDIRECT_URL = "accounts:login"
CSRF_FAILURE_VIEW = "madsafe_web.core.errors.csrf_failure"
SESSION_COOKIE_AGE = 8 * 3600  # of doing nothing
SESSION_REFRESH_S = 300  # so often at most is the end of a session moved
SESSION_SAVE_EVERY_REQUEST = False
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = not LOOPBACK
SECURE_SSL_REDIRECT = not LOOPBACK
SECURE_REDIRECT_EXEMPT = [r"^healthz$"]  # asked by machines beside the server, without a proxy in between
SECURE_HSTS_SECONDS = 0 if LOOPBACK else 31_536_000
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = not LOOPBACK
if not LOOPBACK:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = "__Host-sessionid", "__Host-csrftoken"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:", "blob:"],
        "connect-src": [SELF],
        "font-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
    }
}

LANGUAGE_CODE = env("MADSAFE_LANGUAGE", "en")
LANGUAGES = [("en", _("English")), ("zh-hans", _("Chinese"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = env("MADSAFE_TIME_ZONE", "UTC")
USE_TZ = True

UPLOAD_MAX_BYTES = 2048 * 2**20  # of all files in one request
FILE_UPLOAD_HANDLERS = [
    "madsafe_web.core.uploads.CappedUpload",
    "django.core.files.uploadhandler.MemoryFileUploadHandler",
    "django.core.files.uploadhandler.TemporaryFileUploadHandler",
]
DATA_UPLOAD_MAX_MEMORY_SIZE = 2_500_000  # bytes of a body without its files
DATA_UPLOAD_MAX_NUMBER_FIELDS = 1000  # 500 labels can be decided together
DATA_UPLOAD_MAX_NUMBER_FILES = 4

STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
# A folder that `manage.py collectstatic` filled: its files carry their hash in the name and are cached for good.
STATIC_ROOT = env("MADSAFE_STATIC") or None
STATIC_STORAGE = "whitenoise.storage.CompressedManifestStaticFilesStorage"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": STATIC_STORAGE if STATIC_ROOT else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = not STATIC_ROOT
WHITENOISE_AUTOREFRESH = DEBUG

# Where stages, importers and benchmarks are looked for: one file in one of these packages is one plug-in.
STAGE_PACKAGES = ["madsafe_web.core.stages", "annotation.stages", "pipeline.stages", "evaluation.stages"]
# The function that counts what waits for a reviewer, for the badge in the frame of every page.
SHELL_REVIEW_COUNT = "annotation.reviewing:open_count"
# Stage → the page of what its rows are about, where the subject of a row is the argument of that page.
RUN_SUBJECT_PAGES = {
    **dict.fromkeys(
        ("label", "regenerate", "perplexity", "response_safety", "instruction_safety"), "annotation:prompt"
    ),
    "suggest": "annotation:label",
}
# Stage → the function that tells the categories of its rows: (keys of rows) -> key → category as it is shown.
RUN_SUBJECT_CATEGORIES = {
    **dict.fromkeys(
        ("label", "regenerate", "perplexity", "response_safety", "instruction_safety", "augment_related"),
        "annotation.refused:of_prompts",
    ),
    "suggest": "annotation.refused:of_labels",
    "augment_keyword": "annotation.refused:of_codes",
    "evaluate": "evaluation.refused:of_items",
}
# The function that gives real prompts for the preview of a prompt template.
TEMPLATE_EXAMPLES = "annotation.template_examples:examples"
# What the apps above `annotation` have to do with the withdrawal of a corpus (annotation.derived).
WITHDRAWAL_PARTS = ["pipeline.withdrawing.PART", "evaluation.withdrawing.PART"]
# Sentences that are stored in English and told in the language of the reader (madsafe_web.core.wording).
WORDINGS = [
    "madsafe_web.core.runs.wording.TEXTS",
    "madsafe_web.core.llm.wording.TEXTS",
    "madsafe_web.core.textio.wording.TEXTS",
    "annotation.wording.TEXTS",
    "pipeline.wording.TEXTS",
    "evaluation.wording.TEXTS",
]
# Called by every sweep of a worker: what the apps must look after besides runs.
SWEEP_HOOKS = [
    "pipeline.tuning:stop_abandoned",
    "annotation.pieces:uploads_tidy",
    "madsafe_web.core.api.once:sweep",
]
# Called, in its transaction, when a run that ended is queued again: the number of ended runs goes back by it.
REOPEN_HOOKS = ["annotation.versions:data_changed"]
# Called when a backup was restored: what the database holds besides rows of models is made anew.
RESTORE_HOOKS = ["annotation.searching:rebuild"]
# The server that sends e-mail; without one, nobody is offered notices by e-mail.
EMAIL_HOST = env("MADSAFE_EMAIL_HOST")
EMAIL_PORT = int(env("MADSAFE_EMAIL_PORT", "587"))
EMAIL_HOST_USER = env("MADSAFE_EMAIL_USER")
EMAIL_HOST_PASSWORD = env("MADSAFE_EMAIL_PASSWORD")
EMAIL_USE_TLS = env_flag("MADSAFE_EMAIL_TLS", True)
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env("MADSAFE_EMAIL_FROM", f"madsafe@{SITE.hostname}")
# A worker that was not heard for RUN_LEASE_S seconds loses its chunk to another one.
RUN_LEASE_S = float(env("MADSAFE_RUN_LEASE_S", "60"))
RUN_HEARTBEAT_S = float(env("MADSAFE_RUN_HEARTBEAT_S", "15"))
# A chunk that took so many workers down without any progress is not given to another.
RUN_ATTEMPTS = int(env("MADSAFE_RUN_ATTEMPTS", "5"))

# The interpreter of an environment with vLLM, for endpoints with the backend `vllm`.
VLLM_PYTHON = env("MADSAFE_VLLM_PYTHON")

# Whom language models may be asked of besides servers at public addresses: core.outbound.
LLM_ALLOWED_HOSTS = allowed_llm_hosts()
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "madsafe_web.core.api.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["madsafe_web.core.api.permissions.HasRight"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["madsafe_web.core.api.parsing.JsonParser"],
    "DEFAULT_SCHEMA_CLASS": "madsafe_web.core.api.schema.Operations",
    "EXCEPTION_HANDLER": "madsafe_web.core.api.problems.handle",
    "URL_FORMAT_OVERRIDE": None,  # only parameters that an operation declares
}
SPECTACULAR_SETTINGS = {
    "TITLE": "MadSafe",
    "DESCRIPTION": "Aligning a language model for safety, step by step. See docs/api.md.",
    "VERSION": "1",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    "SORT_OPERATIONS": False,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "POSTPROCESSING_HOOKS": [],  # choices stand where they are used
}
API_LARGEST_BODY = 2**20  # bytes of a JSON body

CELERY_BROKER_URL = env("CELERY_BROKER_URL", "filesystem://localhost")

# /healthz and `manage.py health` call the disk low when the var folder has less free space.
DISK_LOW_MB = int(env("MADSAFE_DISK_LOW_MB", "1024"))

LOG_FORMAT = env("MADSAFE_LOG_FORMAT", "line" if LOOPBACK else "json")
if LOG_FORMAT not in {"line", "json"}:
    raise ImproperlyConfigured(f"MADSAFE_LOG_FORMAT must be line or json, not '{LOG_FORMAT}'.")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"()": "madsafe_web.core.logs.Lines"}, "json": {"()": "madsafe_web.core.logs.JsonLines"}},
    "handlers": {
        "stderr": {"class": "logging.StreamHandler", "formatter": LOG_FORMAT},
        "none": {"class": "logging.NullHandler"},
    },
    "root": {"handlers": ["stderr"], "level": env("MADSAFE_LOG_LEVEL", "WARNING" if LOOPBACK else "INFO")},
    "loggers": {
        # Django's own handlers would write past our formatters (and mail tracebacks with local variables).
        "django": {"handlers": [], "level": "NOTSET", "propagate": True},
        "django.server": {"handlers": [], "level": "NOTSET", "propagate": True},
        # Its one message quotes the Host header, which anybody can fill.
        "django.security.DisallowedHost": {"handlers": ["none"], "propagate": False},
    },
}
