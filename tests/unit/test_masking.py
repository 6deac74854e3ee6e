"""Secrets in what is printed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coral_lock.masking import is_secret_key, masked, spellings, without_secrets


@pytest.mark.parametrize(
    "key",
    [
        "password", "passwd", "db_password", "dbPassword", "DB-PASSWORD", "pass", "passphrase",
        "secret", "client_secret", "clientSecret", "secrets", "token", "accessToken",
        "access-token", "api_key", "apikey", "apiKey", "APIKey", "X-API-Key", "credential",
        "credentials", "private_key", "privateKey", "auth", "basic_auth", "Authorization",
        "stream_key", "cookie", "jwt", "pwd",
    ],
)  # fmt: skip
def test_a_key_that_names_a_secret(key: str) -> None:
    assert is_secret_key(key)


@pytest.mark.parametrize(
    "key", ["author", "authority", "monkey", "compass", "url", "public_key", "host", "shopping", ""]
)
def test_a_key_that_names_none(key: str) -> None:
    assert not is_secret_key(key)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("http://influxdb.example.org:8086", "http://influxdb.example.org:8086"),
        ("http://user:pw@host:1/path", "http://***@host:1/path"),
        ("postgresql+psycopg://u@host/db", "postgresql+psycopg://***@host/db"),
        ("rtsp://admin:p@ss/w@rd@camera:554/1", "rtsp://***@camera:554/1"),
        ("rtsp://admin:p/w@camera/1", "rtsp://***@camera/1"),
        ("see https://a:b@c and https://d:e@f", "see https://***@c and https://***@f"),
        ("https://host/pkg@1.0", "https://***@1.0"),
        ("https://[::1]:80/pkg", "https://[::1]:80/pkg"),
        ("https://host/?token=abc&page=2", "https://host/?token=***&page=2"),
        ("host=db password=hunter2 user=me", "host=db password=*** user=me"),
        ("stun:stun.example.org:3478", "stun:stun.example.org:3478"),
        ("mail me@example.org", "mail me@example.org"),
        ("{'password': 'a b', 'port': 1}", "{'password': ***, 'port': 1}"),
        ('{"token":"a\\"b"}', '{"token":***}'),
        ("RuntimeError: password: hunter2 is wrong", "RuntimeError: password: *** is wrong"),
        ("Authorization: Bearer abc.def sent", "Authorization: *** sent"),
        ("token: 'half of…", "token: ***"),
        ("a=password=x", "a=password=***"),
        ("KeyError: 'camera'", "KeyError: 'camera'"),
        ("redis://auth:6379", "redis://auth:6379"),
        ("in /srv/token.py:12", "in /srv/token.py:12"),
    ],
)
def test_text(value: str, expected: str) -> None:
    assert masked(value) == expected


def test_values_under_secret_keys_whatever_they_are() -> None:
    services = {
        "webrtc": {"stun_servers": ["stun:a"], "password": "hunter2", "port": 1},
        "metrics": [{"token": 5}, {"auth": {"user": "me"}}, {"api_keys": ["a"]}],
        "locks": [{"passphrase": 1}, {"token": 0}, {"pwd": 1.0}, {"pwd": 0.0}],
        "auth": True,
        "secret": None,
        "url": "http://u:p@h",
    }
    assert masked(services) == {
        "webrtc": {"stun_servers": ["stun:a"], "password": "***", "port": 1},
        "metrics": [{"token": "***"}, {"auth": "***"}, {"api_keys": "***"}],
        "locks": [{"passphrase": "***"}, {"token": "***"}, {"pwd": "***"}, {"pwd": "***"}],
        "auth": True,
        "secret": None,
        "url": "http://***@h",
    }
    assert services["url"] == "http://u:p@h"


PEM = "-----BEGIN KEY-----\nMIIE  vQ\n-----END KEY-----\n"


@pytest.mark.parametrize(
    "message",
    [
        PEM,
        " ".join(PEM.split()),
        repr(PEM),
        f"{PEM!r:.30}…",
        f"{' '.join(PEM.split())[:25]}… (p:1)",
    ],
)
def test_a_secret_is_found_in_every_spelling_and_where_it_is_cut(message: str) -> None:
    secrets = sorted(spellings(PEM), key=len, reverse=True)
    text = without_secrets(f"no answer for {message}", secrets)
    assert "***" in text
    assert "BEGIN" not in text
    assert "MIIE" not in text


@given(st.text(alphabet="abc:/@?#[]=% \"'", max_size=40))
def test_masking_twice_changes_nothing_more(text: str) -> None:
    once = masked(f"http://{text} password{text}")
    assert masked(once) == once
