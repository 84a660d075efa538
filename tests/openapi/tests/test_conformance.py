"""Schemathesis: sends valid and invalid requests, and checks that the document has all answers."""

import subprocess

import pytest
import requests

from servers import Service

# These operations end the session that the others need, or replace its cookie.
ENDS = ["login", "logout", "end_device", "end_other_devices"]


def check(api: Service, *options: str) -> None:
    command = ["schemathesis", *options, "--checks", "all", "--seed", "1", "--no-color", "--warnings", "off"]
    command += ["--max-examples", "25", "--suppress-health-check", "all"]
    ran = subprocess.run(command, cwd=api.directory, capture_output=True, text=True)
    assert ran.returncode == 0, f"{ran.stdout}\n{ran.stderr}"


def test_an_anonymous_client_gets_documented_answers(api: Service) -> None:
    check(api, "run", f"{api.url}/openapi.json")


def test_a_signed_in_client_gets_documented_answers(
    api: Service, signed_in: requests.Session, tmp_path_factory: pytest.TempPathFactory
) -> None:
    config = tmp_path_factory.mktemp("schemathesis") / "schemathesis.toml"
    config.write_text(f'[auth.openapi.session]\napi_key = "{signed_in.cookies["shared_session_id"]}"\n')
    left_out = [option for name in ENDS for option in ("--exclude-operation-id", name)]
    check(api, "--config-file", str(config), "run", f"{api.url}/openapi.json", *left_out)
