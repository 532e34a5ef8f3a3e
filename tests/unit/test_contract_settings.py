"""Settings of the server process."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from contract.server.settings import ServerSettings


def test_the_server_listens_on_loopback_unless_told_otherwise() -> None:
    settings = ServerSettings()
    assert settings.host == "127.0.0.1"
    assert settings.public_url == "http://127.0.0.1:8000"


def test_the_public_url_follows_host_and_port() -> None:
    assert ServerSettings(host="10.0.0.5", port=9000).public_url == "http://10.0.0.5:9000"
    assert ServerSettings(public_url="https://rooms.example/").public_url == "https://rooms.example"


def test_urls_live_fifteen_minutes_at_most() -> None:
    with pytest.raises(ValidationError, match="15 minutes"):
        ServerSettings(url_lifetime="PT1H")


def test_a_url_of_another_kind_is_refused() -> None:
    with pytest.raises(ValidationError, match="no http or https URL"):
        ServerSettings(s3_endpoint="127.0.0.1:8333")


def test_credentials_come_from_their_file_and_are_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "s3.json"
    path.write_text('{"access_key": "AK", "secret_key": "hunter2"}')
    settings = ServerSettings(s3_credentials_file=path)
    credentials = settings.s3_credentials()
    assert credentials is not None
    assert credentials[1].get_secret_value() == "hunter2"
    assert "hunter2" not in repr(settings) + repr(credentials)


@pytest.mark.parametrize("text", [None, "", "hunter2", "[]", '{"access_key": "AK"}'])
def test_a_credentials_file_that_cannot_be_read_is_named_without_its_content(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "s3.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ValidationError, match=r"OPS_S3_CREDENTIALS_FILE .*s3\.json") as caught:
        ServerSettings(s3_credentials_file=path)
    assert "hunter2" not in str(caught.value)
