"""Dockerfile, compose.yaml, nginx and systemd files: parsed, and their commands run for real, without Docker."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
import urllib.request
from collections.abc import Iterator
from configparser import ConfigParser
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.helpers.installation import ROOT, Installation, free_port, installed, wait_until

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = [name for name, service in SERVICES.items() if service.get("image") == "madsafe"]
SETTINGS = (ROOT / "madsafe_web" / "settings.py").read_text(encoding="utf-8")
KNOWN = set(re.findall(r"env(?:_flag)?\(\"(\w+)\"", SETTINGS))
UNITS = sorted((ROOT / "deploy").glob("*.service"))
TIMERS = sorted((ROOT / "deploy").glob("*.timer"))
URL = "https://madsafe.example"
NGINX = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")  # the folder is not on everybody's path
OF_THE_SYSTEM = {"OMP_NUM_THREADS"}


def instructions() -> list[tuple[str, str]]:
    """Name and rest of each instruction of the Dockerfile, continued lines joined."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(name, rest.strip()) for name, _, rest in (line.partition(" ") for line in lines)]


def arguments(command: list[str]) -> list[str]:
    """A command of a container as one of ours: without the word for the interpreter."""
    assert command[0] == "python"
    return [str(part) for part in command[1:]]


# --- Dockerfile ---


def test_the_image_is_of_the_python_that_the_project_names() -> None:
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["requires-python"]
    assert instructions()[0] == ("FROM", f"python:{wanted.removeprefix('>=')}-slim")


def test_all_that_is_copied_is_there_and_let_through() -> None:
    let = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    for name, rest in instructions():
        if name == "COPY":
            for source in rest.split()[:-1]:
                assert (ROOT / source).exists()
                assert source.rstrip("/") in let or Path(source).parts[0] in let


def test_every_package_of_the_product_is_copied() -> None:
    copied = {source.rstrip("/") for name, rest in instructions() if name == "COPY" for source in rest.split()[:-1]}
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"}
    assert packages | {"templates", "static", "locale", "examples", "manage.py"} <= copied


def test_torch_comes_first_as_it_is_pinned_and_the_files_of_requirements_after_it() -> None:
    runs = [rest for name, rest in instructions() if name == "RUN" and "pip install" in rest]
    pinned = re.search(r"^torch==\S+$", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    assert pinned and f"pip install {pinned[0]} " in runs[0]
    for run in runs[1:]:
        (file,) = re.findall(r"-r (\S+)", run)
        assert (ROOT / file).is_file()
    assert "--no-deps" in runs[2]


def test_nothing_runs_as_root_and_no_key_stays_in_the_image() -> None:
    named = [rest for name, rest in instructions() if name == "USER"]
    assert named == ["madsafe"]
    kept = " ".join(rest for name, rest in instructions() if name in ("ENV", "ARG"))
    assert "SECRET" not in kept and "KEY" not in kept


def test_variables_of_the_image_are_settings() -> None:
    found = {
        word.split("=")[0]
        for name, rest in instructions()
        if name == "ENV"
        for word in shlex.split(rest)
        if "=" in word
    }
    assert {name for name in found if name.startswith("MADSAFE_")} <= KNOWN


# --- compose.yaml ---


def test_web_worker_and_migrations_come_from_one_image() -> None:
    assert sorted(OURS) == ["migrate", "web", "worker"]


@pytest.mark.parametrize("name", OURS)
def test_every_variable_is_a_setting(name: str) -> None:
    for variable in SERVICES[name]["environment"]:
        assert variable.removesuffix("_FILE") in KNOWN | OF_THE_SYSTEM


@pytest.mark.parametrize("name", OURS)
def test_secrets_come_as_files_and_only_so(name: str) -> None:
    for variable, value in SERVICES[name]["environment"].items():
        if re.search("KEY|PASSWORD|SECRET|DATABASE", variable):
            assert variable.endswith("_FILE")
            assert str(value).removeprefix("/run/secrets/") in SERVICES[name]["secrets"]
    assert set(SERVICES[name]["secrets"]) <= set(COMPOSE["secrets"])


@pytest.mark.parametrize("name", OURS)
def test_ours_write_only_to_the_volume_and_hold_no_privilege(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True and service["tmpfs"] == ["/tmp"]
    assert service["cap_drop"] == ["ALL"] and service["security_opt"] == ["no-new-privileges:true"]
    assert service["volumes"] == ["var:/var/lib/madsafe"]


def test_names_between_services_volumes_and_secrets_hold() -> None:
    for service in SERVICES.values():
        assert set(service.get("depends_on", {})) <= set(SERVICES)
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert source in COMPOSE["volumes"] or source == "./tls" or (ROOT / source).exists()


def test_only_the_proxy_is_reached_from_outside() -> None:
    assert {name for name, service in SERVICES.items() if "ports" in service} == {"web"}
    assert "127.0.0.1:8000" in SERVICES["web"]["command"]
    assert SERVICES["nginx"]["network_mode"] == "service:web"


def test_what_lasts_tells_its_health() -> None:
    assert {name for name, service in SERVICES.items() if "healthcheck" not in service} == {"migrate"}


# --- its commands ---


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation as the containers have it, but for the addresses of its servers; migrated by its own command."""
    folder = tmp_path_factory.mktemp("production")
    with installed(folder / "installation") as made:
        secrets = folder / "secrets"
        secrets.mkdir()
        for name in ("MADSAFE_SECRET_KEY", "MADSAFE_ENCRYPTION_KEYS"):
            (secrets / name).write_text(made.env.pop(name), encoding="utf-8")
            made.env[f"{name}_FILE"] = str(secrets / name)
        made.env |= {"MADSAFE_URL": URL, "MADSAFE_STATIC": str(folder / "static")}
        assert made.manage("collectstatic", "--noinput").code == 0
        done = made.start(*arguments(SERVICES["migrate"]["command"])).wait(90)
        assert done.code == 0, done.err
        yield made


@pytest.mark.slow
@pytest.mark.parametrize("command", ["compose", "image"])
def test_the_web_server_starts_and_its_health_check_passes(production: Installation, command: str) -> None:
    port = free_port()
    given = SERVICES["web"]["command"] if command == "compose" else json.loads(dict(instructions())["CMD"])
    moved = [re.sub(r"^(127\.0\.0\.1|0\.0\.0\.0):8000$", f"127.0.0.1:{port}", part) for part in arguments(given)]
    assert moved != arguments(given)
    running = production.start(*moved)
    check = [part.replace(":8000/", f":{port}/") for part in arguments(SERVICES["web"]["healthcheck"]["test"][1:])]
    wait_until(lambda: production.start(*check).wait(20).code == 0 or running.process.poll(), 40, "the health check")
    assert running.process.poll() is None, running.err
    page = ask(port, "/accounts/login/").decode()
    styles = re.findall(r'href="(/static/css/app\.[0-9a-f]{12}\.css)"', page)
    assert styles and ask(port, styles[0])


def ask(port: int, path: str) -> bytes:
    """A page as nginx asks for it."""
    headers = {"Host": "madsafe.example", "X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.1"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers)
    with urllib.request.urlopen(request, timeout=20) as answer:
        return bytes(answer.read())


@pytest.mark.slow
def test_the_worker_starts_and_its_health_check_passes(production: Installation) -> None:
    running = production.start(*arguments(SERVICES["worker"]["command"]))
    wait_until(lambda: production.one("SELECT COUNT(*) FROM core_workerpulse"), 40, "a sign of the worker")
    done = production.start(*arguments(SERVICES["worker"]["healthcheck"]["test"][1:])).wait(30)
    assert done.code == 0, done.out + done.err
    lines = [line for line in running.err.splitlines() if line.startswith("{")]
    assert lines and all("message" in json.loads(line) for line in lines)


@pytest.mark.slow
def test_every_static_file_of_a_page_has_its_hash_in_the_name(production: Installation) -> None:
    manifest = json.loads(Path(production.env["MADSAFE_STATIC"], "staticfiles.json").read_text(encoding="utf-8"))
    named = {
        found
        for path in (ROOT / "templates").rglob("*.html")
        for found in re.findall(r"\{% static ['\"]([^'\"]+)['\"]", path.read_text(encoding="utf-8"))
    }
    assert named and named <= set(manifest["paths"])
    assert all(Path(production.env["MADSAFE_STATIC"], path).is_file() for path in manifest["paths"].values())


# --- nginx ---


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A folder with a certificate that is nobody's, and its key."""
    made = tmp_path / "tls"
    made.mkdir()
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "madsafe.example")]), datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
    (made / "fullchain.pem").write_bytes(builder.sign(key, SHA256()).public_bytes(Encoding.PEM))
    form = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (made / "privkey.pem").write_bytes(key.private_bytes(*form))
    return made


@pytest.mark.skipif(not NGINX, reason="there is no nginx")
def test_nginx_takes_its_file(tmp_path: Path, certificate: Path) -> None:
    site = (ROOT / "deploy" / "nginx.conf").read_text(encoding="utf-8")
    site = site.replace("/etc/nginx/tls", str(certificate)).replace("/var/log/nginx", str(tmp_path))
    (tmp_path / "site.conf").write_text(site, encoding="utf-8")
    whole = f"pid {tmp_path}/pid; error_log stderr; events {{}} http {{ include {tmp_path}/site.conf; }}"
    (tmp_path / "nginx.conf").write_text(whole, encoding="utf-8")
    done = subprocess.run(
        [str(NGINX), "-t", "-c", str(tmp_path / "nginx.conf")], capture_output=True, text=True, timeout=30
    )
    assert "syntax is ok" in done.stderr, done.stderr
    assert "[warn]" not in done.stderr


def test_nginx_logs_no_query_and_passes_what_the_settings_rely_on() -> None:
    text = (ROOT / "deploy" / "nginx.conf").read_text(encoding="utf-8")
    (shape,) = re.findall(r"log_format .*", text)
    assert "$uri" in shape and "$request " not in shape and "$args" not in shape and "request_uri" not in shape
    for line in ("X-Forwarded-Proto $scheme;", "X-Forwarded-For $remote_addr;", "proxy_request_buffering off;"):
        assert line in text


# --- systemd ---


@pytest.mark.parametrize("unit", [*UNITS, *TIMERS], ids=lambda path: path.name)
def test_a_unit_has_its_parts_and_systemd_takes_it_where_it_is_installed(unit: Path, tmp_path: Path) -> None:
    parts = ConfigParser(interpolation=None, strict=False)
    parts.optionxform = str  # type: ignore[assignment,method-assign]
    parts.read(unit, encoding="utf-8")
    assert {"Unit", "Timer" if unit.suffix == ".timer" else "Service"} <= set(parts.sections())
    if shutil.which("systemd-analyze"):
        assert verified(unit, tmp_path) == []


def verified(unit: Path, folder: Path) -> list[str]:
    """What systemd says against the unit, with this interpreter in the place of the installed one."""
    for path in (*UNITS, *TIMERS):
        text = path.read_text(encoding="utf-8").replace("/opt/madsafe/.venv/bin/python", sys.executable)
        (folder / path.name).write_text(text, encoding="utf-8")
    command = ["systemd-analyze", "verify", "--man=no", str(folder / unit.name)]
    env = {**os.environ, "SYSTEMD_UNIT_PATH": f"{folder}:"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=env)
    said = [line for line in done.stderr.splitlines() if "madsafe" in line]
    return said or ([done.stderr] if done.returncode else [])


def test_units_start_what_the_containers_start() -> None:
    def of_unit(name: str) -> list[str]:
        text = (ROOT / "deploy" / f"madsafe-{name}.service").read_text(encoding="utf-8")
        (command,) = re.findall(r"^ExecStart=/opt/madsafe/\.venv/bin/(.*)$", text, re.MULTILINE)
        return shlex.split(command)

    assert of_unit("worker") == SERVICES["worker"]["command"]
    assert of_unit("web") == SERVICES["web"]["command"][: len(of_unit("web"))]


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_every_command_of_a_unit_is_there(unit: Path) -> None:
    commands = {path.stem for path in (ROOT / "madsafe_web").rglob("management/commands/*.py")} | {"migrate"}
    for name in re.findall(r"manage\.py (\w+)", unit.read_text(encoding="utf-8")):
        assert name in commands


# --- docs ---


def test_every_setting_is_in_the_table_of_the_operations_page() -> None:
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    table = re.findall(r"`([A-Z_]+)`", "\n".join(line for line in text.splitlines() if line.startswith("|")))
    assert sorted(KNOWN - set(table)) == []
