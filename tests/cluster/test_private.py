"""Private repositories on the cluster: commit by commit through a GitHub App, and no secret in any
place where it could be seen."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from cluster.kit import installation, servers
from cluster.kit.cluster import Object, condition, eventually, secret
from cluster.kit.world import World, same_records, unique
from fakes import github, repository
from fakes.history import history
from fakes.keys import private_key

pytestmark = pytest.mark.cluster

COMMITS = (0, 9, 19)  # of the history


class Github:
    """The GitHub of the cluster, with an App of this test's own."""

    def __init__(self, world: World) -> None:
        service = world.cluster.service(servers.NAMESPACE, "github-state", github.HTTP_PORT)
        self._url = f"{service}/_test/state"
        self.app = unique("app")
        self.key, self._public_key = private_key()

    def add(self, **more: Any) -> None:
        """Add to what the host knows."""
        httpx.post(self._url, json=more, trust_env=False).raise_for_status()

    def install(self, **changes: Any) -> None:
        """Install the App on the repository."""
        found = {"app": self.app, "repositories": [servers.PRIVATE], **changes}
        self.add(apps={self.app: self._public_key}, installations=[found])

    @property
    def state(self) -> dict[str, Any]:
        """What the host tells of itself."""
        told: dict[str, Any] = httpx.get(self._url, trust_env=False).raise_for_status().json()
        return told

    def spec(self, **fields: Any) -> Object:
        """`spec.github` of a Source, by token; `fields` change it."""
        return {
            "repository": servers.PRIVATE,
            "baseUrl": servers.GITHUB_URL,
            "credentialsSecretRef": {"name": "login"},
            "caSecretRef": {"name": "authority"},
            **fields,
        }


@pytest.fixture
def host(world: World) -> Github:
    return Github(world)


@pytest.fixture
def authority(world: World, namespace: str, host: Github) -> None:
    world.cluster.apply(secret(namespace, "authority", ca_crt=host.state["authority"]))


@pytest.mark.usefixtures("authority")
def test_commit_by_commit_through_an_app(
    world: World, namespace: str, host: Github, tmp_path: Path
) -> None:
    """Updates in place: after each the collection is what a run from nothing makes, and exactly
    the texts that are new were embedded."""
    host.install()
    world.cluster.apply(secret(namespace, "login", privateKey=host.key))
    private = host.spec(appId=host.app)
    world.cluster.apply(world.source(namespace, github=private))
    world.ready(namespace)
    ids = repository.write(tmp_path / "same", history())
    live, stood = unique("live"), set[str]()
    for number in COMMITS:
        ref = {"refIdentifier": {"sha": ids[number]}}
        fresh = unique("fresh")
        world.cluster.apply(
            # Another Source, so that nothing is taken over.
            world.source(namespace, name=f"s{number}", github=private),
            world.invocation(namespace, fresh, f"fresh{number}", f"s{number}", github=ref),
            world.invocation(namespace, live, f"live{number}", github=ref, targetPolicy="Update"),
        )
        alone = world.succeeded(namespace, f"fresh{number}")["status"]
        updated = world.succeeded(namespace, f"live{number}")["status"]
        made = world.records(fresh)
        same_records(world.records(live), made)
        assert updated["revision"] == alone["revision"] == ids[number]
        assert world.collection(live).metadata["revision"] == ids[number]
        texts = set(made.texts)
        assert alone["chunks"]["embedded"] == len(texts)
        assert updated["chunks"].get("embedded", 0) == len(texts - stood)
        stood = texts
    assert updated["documents"]["unchanged"] > 0


@pytest.mark.parametrize(
    ("values", "installed", "fields", "reason", "words"),
    [
        ({"token": "canary-1"}, {}, {}, "CredentialsRejected", ["'login'", "expired"]),
        ({"other": "x"}, {}, {}, "SecretNotFound", ["'login'", "'token'"]),
        (
            {"token": "canary-1"},
            {},
            {"caSecretRef": None},
            "CertificateNotTrusted",
            ["spec.github.caSecretRef"],
        ),
        ({"privateKey": "canary-1"}, {}, {"appId": "1"}, "AppKeyInvalid", ["PEM", "'login'"]),
        ({}, {"repositories": []}, {}, "AppNotInstalled", [servers.PRIVATE, "Install the App"]),
        ({}, {"suspended": True}, {}, "AppSuspended", ["Unsuspend"]),
        ({}, {"permissions": {}}, {}, "PermissionMissing", ["Contents: read"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.usefixtures("authority")
def test_each_refusal_has_its_name(
    world: World,
    namespace: str,
    host: Github,
    values: dict[str, str],
    installed: dict[str, Any],
    fields: dict[str, Any],
    reason: str,
    words: list[str],
) -> None:
    """Without `values` the login is that of an App, which is installed as `installed` says."""
    if not values:
        host.install(**installed)
        values, fields = {"privateKey": host.key}, {"appId": host.app}
    world.cluster.apply(secret(namespace, "login", **values))
    world.cluster.apply(world.source(namespace, github=host.spec(**fields)))
    ready = world.reason("Source", namespace, "shop", "Ready", reason)
    assert ready["status"] == "False"
    for word in words:
        assert word in ready["message"], ready["message"]
    assert "canary" not in world.describe(namespace)


class Seen:
    """What can be seen while runs go on: the arguments of all processes of the node, the logs of a
    namespace's workers, and the names of the Secrets that its pods mount. Looked at again and again
    until the block ends."""

    def __init__(self, world: World, namespace: str) -> None:
        self._cluster, self._namespace = world.cluster, namespace
        self._done = threading.Event()
        looks = (self._look_at_arguments, self._look_at_logs, self._look_at_pods)
        self._threads = [
            threading.Thread(target=self._repeat, args=args)
            for args in zip((0.02, 0.3, 0.3), looks, strict=True)
        ]
        self.arguments: set[str] = set()
        self.logs: set[str] = set()
        self.mounted: set[str] = set()

    def __enter__(self) -> Seen:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join()

    def _repeat(self, pause: float, look: Callable[[], None]) -> None:
        while not self._done.wait(pause):
            look()

    def _look_at_arguments(self) -> None:
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):  # it ended just now
                line = path.read_bytes().replace(b"\0", b" ")
                self.arguments.add(line.decode("utf-8", "replace"))

    def _look_at_logs(self) -> None:
        workers = ("-l", "app.kubernetes.io/component=worker")
        logs = self._cluster.kubectl(
            *("-n", self._namespace, "logs", "--tail=-1", *workers), check=False
        )
        self.logs.update(logs.splitlines())

    def _look_at_pods(self) -> None:
        for pod in self._cluster.list("Pod", self._namespace):
            volumes = pod["spec"]["volumes"]
            self.mounted.update(v["secret"]["secretName"] for v in volumes if "secret" in v)


def secrets_of(world: World, namespace: str) -> dict[str, list[str]]:
    """What must not be seen of each Secret of a namespace: its values, but for certificates, which
    are public."""
    return {
        item["metadata"]["name"]: [
            base64.b64decode(value).decode()
            for key, value in item["data"].items()
            if key != "ca.crt"
        ]
        for item in world.cluster.list("Secret", namespace)
    }


def forms(value: str) -> list[str]:
    """How a secret could show: as it is, a key by any of its long lines; as the API writes
    Secrets; or as part of a login to git."""
    long_lines = [line for line in value.splitlines() if len(line) > 40]
    users = ("x-access-token", "canary-user")
    texts = [value, *(f"{user}:{value}" for user in users)]
    return [*(long_lines or [value]), *(base64.b64encode(t.encode()).decode() for t in texts)]


@pytest.mark.usefixtures("authority")
def test_no_secret_is_seen_anywhere(world: World, namespace: str, host: Github) -> None:
    """Canaries in every Secret; then objects, events, logs and arguments of good and bad runs are
    searched for all of them, and for the tokens that the host issued. No test beside this one may
    have a canary among its arguments."""
    host.install()
    good, bad, chroma = unique("canary-good"), unique("canary-bad"), unique("canary-chroma")
    host.add(tokens={good: {"repositories": [servers.PRIVATE]}})
    world.cluster.apply(
        secret(namespace, "login", token=good, username="canary-user", privateKey="canary-else"),
        secret(namespace, "app", privateKey=host.key, token="canary-beside-the-key"),
        secret(namespace, "bad", token=bad),
        secret(namespace, "chroma", token=chroma),
    )
    own_server = {"url": servers.CHROMA_URL, "tokenSecretRef": {"name": "chroma"}}
    specs: dict[str, Object] = {
        "login": {"github": host.spec(), "chroma": own_server},
        # Into the installation's own Chroma.
        "app": {"github": host.spec(appId=host.app, credentialsSecretRef={"name": "app"})},
        "bad": {"github": host.spec(credentialsSecretRef={"name": "bad"})},
    }
    with Seen(world, namespace) as seen:
        for name, spec in specs.items():
            world.cluster.apply(
                world.source(namespace, name=name, **spec),
                world.invocation(namespace, unique("secret"), f"run-{name}", name),
            )
        for name in ("login", "app"):
            world.succeeded(namespace, f"run-{name}")
        world.reason("Source", namespace, "bad", "Ready", "CredentialsRejected")
        refusal = '"reason": "CredentialsRejected"'
        eventually("a check's log", lambda: any(refusal in line for line in seen.logs), 60)
    kinds = "sources,invocations,jobs,pods,events,configmaps"
    objects = world.cluster.kubectl("-n", namespace, "get", kinds, "-o", "yaml")
    kinds = "deployments,pods,events,configmaps"
    objects += world.cluster.kubectl("-n", installation.NAMESPACE, "get", kinds, "-o", "yaml")
    operator = world.cluster.kubectl(
        *("-n", installation.NAMESPACE, "logs", f"deployment/{installation.SERVICE_ACCOUNT}")
    )
    logs, ran = "\n".join(seen.logs), "\n".join(seen.arguments)
    ran = ran.replace(str(installation.ROOT), "")  # a checkout may be called anything
    # What is searched is really there.
    for key in sorted(history()[-1])[:3]:
        assert f'"document": "{key}"' in logs
    assert "kind: Pod" in objects and "kind: Event" in objects and operator
    assert "settings.yaml" in objects, "the installation's own"
    assert "chroma_sync.cli.worker" in ran and f"{servers.GITHUB_URL}/{servers.PRIVATE}" in ran
    # And so is what is searched for: each Secret was given to a pod.
    secrets, issued = secrets_of(world, namespace), host.state["issued"]
    assert seen.mounted == set(secrets)
    assert secrets[installation.TEI_SECRET] == [servers.TEI_KEY]
    assert secrets[installation.CHROMA_SECRET] == [installation.CHROMA_KEY]
    assert issued
    for value in (*issued, *(value for values in secrets.values() for value in values)):
        for form in ("canary", *forms(value)):
            for where in (objects, operator, logs, ran):
                assert form not in where
    assert condition(world.cluster.get("Source", namespace, "app"), "Ready")["status"] == "True"
