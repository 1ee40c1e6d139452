from pathlib import Path

import pytest
from pydantic import Field, SecretStr

from sensorium.errors import ConfigError
from sensorium.host import PluginHost, load_pipeline, resolve_secrets
from sensorium.plugin import PluginConfig


class Config(PluginConfig):
    user: str = ""
    password: str = ""
    secret: SecretStr = SecretStr("")
    servers: tuple[str, ...] = ()
    options: dict[str, list[str]] = Field(default_factory=dict)
    port: int = 80
    code: str = "aaaa"


def test_references_are_replaced_where_they_stand(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("from file\n")
    config = Config(
        user="plain ${env:USER_NAME}",
        password="${env:PASS}",
        secret=SecretStr(f"${{file:{tmp_path}/token}}"),
        servers=("a", "${env:SERVER}"),
        options={"x": ["${env:PASS}"]},
    )
    resolved = resolve_secrets(config, {"PASS": "hunter2", "SERVER": "b"})
    assert resolved.user == "plain ${env:USER_NAME}"
    assert resolved.password == "hunter2"
    assert resolved.secret.get_secret_value() == "from file"
    assert resolved.servers == ("a", "b")
    assert resolved.options == {"x": ["hunter2"]}
    assert config.password == "${env:PASS}"


def test_a_configuration_without_references_stays_as_it_is() -> None:
    config = Config(user="me", servers=("a",))
    assert resolve_secrets(config, {}) is config


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"\$\{env:NOPE\}: the environment variable NOPE is not"):
        resolve_secrets(Config(password="${env:NOPE}"), {})
    with pytest.raises(ConfigError, match=r"nope\}: cannot read the file: No such file"):
        resolve_secrets(Config(password=f"${{file:{tmp_path}/nope}}"), {})


def test_a_refused_value_is_not_shown() -> None:
    class Picky(PluginConfig):
        code: str

        def model_post_init(self, context: object) -> None:
            if not self.code.startswith("$"):
                raise ValueError(f"bad code {self.code}")

    with pytest.raises(ConfigError) as caught:
        resolve_secrets(Picky(code="${env:CODE}"), {"CODE": "hunter2"})
    assert "refuses the value of ${env:CODE}" in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_a_loaded_pipeline_shows_the_reference_only(
    pipeline_file: Path, host: PluginHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SENSORIUM_TEST_PASSWORD", "hunter2")
    reference = "${env:SENSORIUM_TEST_PASSWORD}"
    pipeline = load_pipeline(
        pipeline_file, overrides=[f'source.password="{reference}"'], plugins=host
    )
    assert reference in repr(pipeline)
    assert "hunter2" not in repr(pipeline)
    assert pipeline.source_config is not None
    assert resolve_secrets(pipeline.source_config).password == "hunter2"
