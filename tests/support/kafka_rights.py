"""A real Apache Kafka that asks for rights."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

from kafka_broker import own_broker

USER = "watch"
PASSWORD = "pass-word"
#: An operation, a kind of resource, and a name or, with an asterisk, how names begin.
Right = tuple[str, str, str]
_PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule required"


class RightsBroker:
    """A broker with an authoriser.

    Parameters
    ----------
    address
        Where everything is allowed.
    asking
        Where `USER` may do what it has been allowed.
    """

    def __init__(self, address: str, asking: str) -> None:
        self.address = address
        self.asking = asking

    @property
    def connection(self) -> dict[str, str]:
        """How a source or sink connects as the user."""
        return {
            "bootstrap_servers": self.asking,
            "security_protocol": "SASL_PLAINTEXT",
            "sasl_mechanism": "PLAIN",
            "username": USER,
            "password": PASSWORD,
        }

    def allow(self, rights: Sequence[Right]) -> None:
        """Let the user do this, too."""
        self._admin("create_acls", [_rule(right) for right in rights])

    def forbid(self, right: Right) -> None:
        """Take a right back."""
        self._admin("delete_acls", [_rule(right)])

    def _admin(self, call: str, rules: list[Any]) -> None:
        from kafka.admin import KafkaAdminClient

        admin = KafkaAdminClient(bootstrap_servers=self.address)
        getattr(admin, call)(rules)
        admin.close()


def _rule(right: Right) -> Any:
    from kafka.admin import (
        ACL,
        ACLOperation,
        ACLPermissionType,
        ACLResourcePatternType,
        ResourcePattern,
        ResourceType,
    )

    operation, kind, name = right
    how = ACLResourcePatternType.PREFIXED if name.endswith("*") else ACLResourcePatternType.LITERAL
    pattern = ResourcePattern(ResourceType[kind], name.rstrip("*"), how)
    return ACL(f"User:{USER}", "*", ACLOperation[operation], ACLPermissionType.ALLOW, pattern)


@contextlib.contextmanager
def rights_broker() -> Iterator[RightsBroker]:
    """Start one."""
    properties = {
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",
        "listener.name.asking.sasl.enabled.mechanisms": "PLAIN",
        "listener.name.asking.plain.sasl.jaas.config": f'{_PLAIN} user_{USER}="{PASSWORD}";',
    }
    listeners = {"PLAINTEXT": "PLAINTEXT", "ASKING": "SASL_PLAINTEXT"}
    with own_broker(listeners, properties) as broker:
        yield RightsBroker(broker.addresses["PLAINTEXT"], broker.addresses["ASKING"])
