"""The chart and the images: taken by a strict API server, run under the strictest pod security."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest
import yaml

from chroma_sync.reconcile.installation import Installation
from cluster.kit import installation, servers
from cluster.kit.cluster import Object, eventually
from cluster.kit.world import World, unique

pytestmark = pytest.mark.cluster

IMAGES = ("image.operator=registry.test/operator:1", "image.worker=registry.test/worker:1")
COMPILERS = "gcc g++ cc c++ clang tcc as ld make go rustc cargo pip"


def rendered(*values: str, namespace: str = "default") -> subprocess.CompletedProcess[str]:
    """What Helm makes of the chart."""
    settings = [part for value in values for part in ("--set", value)]
    command = ["helm", "template", "check", str(installation.CHART), "--namespace", namespace]
    return subprocess.run(
        [*command, *settings], capture_output=True, text=True, timeout=60, check=False
    )


def restrict(world: World, namespace: str) -> None:
    """Refuse every pod that does not meet the strictest of the Pod Security Standards."""
    label = "pod-security.kubernetes.io/enforce=restricted"
    world.cluster.kubectl("label", "namespace", namespace, label)


def test_the_api_server_takes_the_chart_strictly(world: World, namespace: str) -> None:
    restrict(world, namespace)
    made = rendered(
        *IMAGES,
        "chroma.tokenSecret=chroma",
        "tei.endpoints[0].model=acme/small",
        "tei.endpoints[0].url=http://tei.tei.svc:8080/path",
        "image.pullSecrets[0]=registry",
        "operator.nodeSelector.disk=fast",
        "operator.tolerations[0].operator=Exists",
        namespace=namespace,
    )
    assert made.returncode == 0, made.stderr
    apply = ["apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-"]
    done = subprocess.run(
        ["kubectl", *apply, "--force-conflicts", "--field-manager=helm"],
        input=made.stdout,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    # A pod that the namespace would refuse is only warned of.
    assert "Warning" not in done.stderr, done.stderr
    assert "deployment.apps/check-operator serverside-applied" in done.stdout


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ((), "image.worker: name the worker's image"),
        (IMAGES[1:], "image.operator: name the operator's image"),
        ((*IMAGES, "chroma.url=chroma:8000"), "/chroma/url"),
        ((*IMAGES, "chroma.url=http://me:word-5d@chroma:8000"), "/chroma/url"),
        ((*IMAGES, "tei.endpoints[0].model=a"), "missing property 'url'"),
        ((*IMAGES, "tie.endpoints=a"), "'tie' not allowed"),
        ((*IMAGES, "allowedHosts[0]=https://github.com"), "/allowedHosts/0"),
        ((*IMAGES, "watchNamespaces[0]=Team"), "/watchNamespaces/0"),
    ],
)
def test_wrong_values_are_refused(values: tuple[str, ...], words: str) -> None:
    refused = rendered(*values)
    assert refused.returncode != 0
    assert words in refused.stderr


def test_a_source_is_checked_and_run_in_a_restricted_namespace(
    world: World, namespace: str
) -> None:
    restrict(world, namespace)
    world.cluster.apply(
        world.source(
            namespace,
            github={
                "repository": servers.REPOSITORY,
                "baseUrl": servers.GIT_URL,
                "includeGlobs": ["notes/*"],
            },
        ),
        world.invocation(namespace, unique("restricted")),
    )
    world.ready(namespace)
    world.succeeded(namespace)


@pytest.mark.parametrize("variable", ["OPERATOR_IMAGE", "WORKER_IMAGE"])
def test_images_hold_no_compiler_and_no_installer(
    world: World, namespace: str, variable: str
) -> None:
    # One stream, for nothing keeps the order of two.
    script = f'for tool in {COMPILERS}; do command -v "$tool"; done; id -u; touch /probe 2>&1; true'
    world.cluster.apply(_pod(namespace, installation.image(variable), script))

    def ended() -> Object | None:
        pod = world.cluster.get("Pod", namespace, "look")
        return (
            pod if (pod or {}).get("status", {}).get("phase") in ("Succeeded", "Failed") else None
        )

    eventually("the pod ends", ended, 60)
    log = world.cluster.kubectl("-n", namespace, "logs", "look")
    assert log.split("\n")[0] == "65532", log
    assert "Read-only file system" in log


def _pod(namespace: str, image: str, script: str) -> Object:
    container: dict[str, Any] = {
        "name": "look",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", script],
        "securityContext": {"readOnlyRootFilesystem": True},
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "look", "namespace": namespace},
        "spec": {"restartPolicy": "Never", "containers": [container]},
    }


def test_the_settings_that_the_chart_makes_are_what_the_operator_reads() -> None:
    """No field of the one is unknown to the other, with every value set."""
    made = rendered(
        *IMAGES,
        "tei.tokenSecret=tei",
        "chroma.tokenSecret=chroma",
        "allowedHosts[0]=github.com",
        "allowedHosts[1]=*.example.com",
        "allowedServiceAccounts[0]=indexer",
        "watchNamespaces[0]=team-a",
    )
    assert made.returncode == 0, made.stderr
    documents = [d for d in yaml.safe_load_all(made.stdout) if d and d["kind"] == "ConfigMap"]
    settings = Installation.model_validate(yaml.safe_load(documents[0]["data"]["settings.yaml"]))
    assert settings.worker_image == "registry.test/worker:1"
    assert settings.tei_token_secret == "tei"
    assert settings.allowed_hosts == ["github.com", "*.example.com"]
    assert settings.allowed_service_accounts == ["indexer"]
    assert settings.watch_namespaces == ["team-a"]
