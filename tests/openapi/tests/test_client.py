"""A client that is generated from the document alone works."""

import importlib
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from conftest import DEMO
from servers import Service


@pytest.fixture(scope="session")
def client(document: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    directory = tmp_path_factory.mktemp("client")
    path = directory / "openapi.json"
    path.write_text(json.dumps(document))
    command = ["openapi-python-client", "generate", "--path", str(path), "--meta", "none"]
    command += ["--output-path", str(directory / "generated"), "--fail-on-warning"]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert ran.returncode == 0, f"{ran.stdout}\n{ran.stderr}"
    sys.path.insert(0, str(directory))
    return importlib.import_module("generated")


def test_every_part_of_it_can_be_imported(client: ModuleType, document: dict[str, Any]) -> None:
    root = Path(client.__path__[0])
    modules = [".".join(path.relative_to(root.parent).with_suffix("").parts) for path in root.rglob("*.py")]
    functions = [name for name in modules if ".api." in name and not name.endswith("__init__")]
    assert len(functions) == sum(len(item) for item in document["paths"].values())
    for name in modules:
        importlib.import_module(name.removesuffix(".__init__"))


def test_the_client_signs_in_and_makes_calls(client: ModuleType, api: Service) -> None:
    call = lambda name: importlib.import_module(f"generated.api.{name}").sync_detailed
    models = importlib.import_module("generated.models")
    with client.Client(base_url=api.url) as visitor:
        assert call("account.me")(client=visitor).status_code == 401
        refused = call("account.login")(client=visitor, body=models.Login(username="demo", password="wrong"))
        assert (refused.status_code, type(refused.parsed)) == (401, models.Problem)
        account = call("account.login")(client=visitor, body=models.Login(**DEMO)).parsed
        assert (type(account), account.username) == (models.Account, "demo")
        assert call("account.me")(client=visitor).parsed == account
        visits = [call("session.count_visit")(client=visitor).parsed.visits for _ in range(2)]
        assert visits[1] == visits[0] + 1
        devices = call("devices.devices")(client=visitor).parsed
        assert [device.current for device in devices].count(True) == 1
        assert call("account.logout")(client=visitor).status_code == 204
        assert call("account.me")(client=visitor).status_code == 401
