from __future__ import annotations

from pathlib import Path

import pytest

from fireside.errors import UserError
from fireside.settings import Source, explain, load


def test_flag_beats_environment_beats_file_beats_default(tmp_path: Path):
    (tmp_path / "fireside.toml").write_text(
        "[server]\nport = 1001\nhost = '127.0.0.2'\n[chat]\ntitles = false\n"
    )
    environ = {"FIRESIDE__SERVER__PORT": "1002", "FIRESIDE__SERVER__HOST": "127.0.0.3"}
    settings, sources = load({"server.port": 1003, "data_dir": str(tmp_path)}, environ)
    assert settings.server.port == 1003
    assert settings.server.host == "127.0.0.3"
    assert settings.chat.titles is False
    assert settings.chat.max_attempts == 3
    assert sources == {
        "server.port": Source.FLAG,
        "server.host": Source.ENVIRONMENT,
        "chat.titles": Source.FILE,
    }


def test_the_short_names_port_and_data_dir_are_honoured(tmp_path: Path):
    settings, _sources = load(environ={"PORT": "9999", "FIRESIDE_DATA_DIR": str(tmp_path)})
    assert settings.server.port == 9999
    assert settings.data_dir == tmp_path.resolve()


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({"FIRESIDE__SERVER__PROT": "1"}, "server.prot"),
        ({"FIRESIDE__SERVER__PORT": "many"}, "server.port"),
        ({"FIRESIDE__SERVER__PORT": "70000"}, "server.port"),
        ({"FIRESIDE__CHAT__JOURNAL_INTERVAL_S": "5"}, "journal_interval_s"),
    ],
)
def test_what_is_wrong_is_named(environ, named, tmp_path: Path):
    with pytest.raises(UserError, match=named.replace(".", r"\.")):
        load({"data_dir": str(tmp_path)}, environ)


def test_a_broken_file_is_named(tmp_path: Path):
    (tmp_path / "fireside.toml").write_text("[server\n")
    with pytest.raises(UserError, match=r"fireside\.toml"):
        load({"data_dir": str(tmp_path)}, {})
    with pytest.raises(UserError, match="nowhere"):
        load({}, {"FIRESIDE_CONFIG": str(tmp_path / "nowhere")})


def test_every_setting_is_explained_and_passwords_are_covered(tmp_path: Path):
    environ = {"FIRESIDE__DB__URL": "postgresql://me:hunter2@db.example.org/fireside"}
    settings, sources = load({"data_dir": str(tmp_path)}, environ)
    rows = explain(settings, sources)
    assert all(row.description for row in rows)
    assert len({row.path for row in rows}) == len(rows)
    shown = next(row for row in rows if row.path == "db.url")
    assert "hunter2" not in shown.value
    assert shown.env_name == "FIRESIDE__DB__URL"
    assert shown.source is Source.ENVIRONMENT
