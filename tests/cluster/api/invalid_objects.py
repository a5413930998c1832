"""Objects that both the API server and the laptop refuse, and what each must say of them."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any, Final

Object = dict[str, Any]
GONE: Final = object()


def _object(kind: str, spec: Object) -> Object:
    return {
        "apiVersion": "chromasync.dev/v1alpha1",
        "kind": kind,
        "metadata": {"name": "sample"},
        "spec": spec,
    }


BASES: Final[dict[str, Object]] = {
    "github": _object("Source", {"github": {"repository": "acme/shop"}}),
    "s3": _object(
        "Source",
        {"s3": {"bucketName": "papers", "region": "eu-central-1", "collectionName": "papers"}},
    ),
    "web": _object("Source", {"web": {"startingUrl": "https://docs.example.com/"}}),
    "run": _object("Invocation", {"sourceRef": {"name": "shop"}, "targetCollectionName": "shop"}),
    "s3 run": _object(
        "Invocation", {"sourceRef": {"name": "papers"}, "s3": {"objectKey": "leave.pdf"}}
    ),
}


def changed(base: str, changes: dict[str, Any]) -> Object:
    """A base object with the values at some paths replaced, or taken away where `GONE`."""
    result = copy.deepcopy(BASES[base])
    for path, value in changes.items():
        *parents, last = path.split(".")
        place = result
        for parent in parents:
            place = place.setdefault(parent, {})
        if value is GONE:
            del place[last]
        else:
            place[last] = value
    return result


@dataclass(frozen=True)
class Case:
    """`field` and `says` must stand in the message of both; `server_says` replaces `says` where the
    API server has its own words for a rule of the schema."""

    id: str
    base: str
    changes: dict[str, Any]
    field: str
    says: str
    server_says: str = ""

    @property
    def object(self) -> Object:
        return changed(self.base, self.changes)


_LONG: Final = "x" * 5000
_SHA: Final = "0123456789abcdef0123456789abcdef01234567"
_REGEX_SAYS: Final = "must be a regular expression of RE2"
_QUANTITY_SAYS: Final = "must be a quantity as Kubernetes writes them"
_URL_SAYS: Final = "must be an http:// or https:// address"

CASES: Final = (
    # The object as a whole.
    Case("no spec", "github", {"spec": GONE}, "spec", "is missing", "Required value"),
    Case(
        "bad name",
        "github",
        {"metadata.name": "My_Source"},
        "metadata.name",
        "lower case letters",
        "lowercase RFC 1123 subdomain",
    ),
    Case("no type", "github", {"spec.github": GONE}, "spec", "exactly one of github, s3 and web"),
    Case(
        "two types",
        "github",
        {"spec.web": {"startingUrl": "https://x.example/"}},
        "spec",
        "exactly one of github, s3 and web",
    ),
    Case(
        "unknown field",
        "github",
        {"spec.github.colour": "red"},
        "spec.github.colour",
        "no such field",
        "unknown field",
    ),
    Case(
        "snake case",
        "github",
        {"spec.database_name": "docs"},
        "spec.database_name",
        "write databaseName",
        "unknown field",
    ),
    Case(
        "spec is a list",
        "github",
        {"spec": ["github"]},
        "spec",
        "must be a map of fields",
        "must be of type object",
    ),
    # Where it goes, and with which vectors.
    Case(
        "database name too short",
        "github",
        {"spec.databaseName": "db"},
        "spec.databaseName",
        "at least 3",
        "at least 3",
    ),
    Case(
        "database name with a slash",
        "github",
        {"spec.databaseName": "a/b/c"},
        "spec.databaseName",
        "letters, digits",
    ),
    Case(
        "database name is a number",
        "github",
        {"spec.databaseName": 12345},
        "spec.databaseName",
        "must be a string",
        "must be of type string",
    ),
    Case(
        "chroma without url",
        "github",
        {"spec.chroma.tenant": "default_tenant"},
        "spec.chroma.url",
        "is missing",
        "Required value",
    ),
    Case(
        "chroma with a password in its url",
        "github",
        {"spec.chroma.url": "http://user:secret@chroma:8000"},
        "spec.chroma.url",
        _URL_SAYS,
    ),
    Case(
        "secret without name",
        "github",
        {"spec.chroma": {"url": "http://chroma:8000", "tokenSecretRef": {}}},
        "spec.chroma.tokenSecretRef.name",
        "is missing",
        "Required value",
    ),
    Case(
        "bad secret name",
        "github",
        {"spec.chroma": {"url": "http://chroma:8000", "tokenSecretRef": {"name": "../etc"}}},
        "spec.chroma.tokenSecretRef.name",
        "must be a name of Kubernetes",
    ),
    Case(
        "bad model",
        "github",
        {"spec.embedding.dense.model": "qwen 3 embedding"},
        "spec.embedding.dense.model",
        "must be a model's id",
    ),
    Case(
        "task without name",
        "github",
        {"spec.embedding.dense.task": {"queryPrompt": "find it"}},
        "spec.embedding.dense.task.taskName",
        "is missing",
        "Required value",
    ),
    Case(
        "prompt too long",
        "github",
        {"spec.embedding.dense.task": {"taskName": "x", "queryPrompt": _LONG}},
        "spec.embedding.dense.task.queryPrompt",
        "at most 2048",
        "may not be more than 2048",
    ),
    Case(
        "unknown sparse model",
        "github",
        {"spec.embedding.sparse.model": "BM25"},
        "spec.embedding.sparse.model",
        "Chroma/BM25",
    ),
    # Chunking.
    Case(
        "unknown chunking",
        "github",
        {"spec.chunking.type": "sentences"},
        "spec.chunking.type",
        "tree_sitter",
    ),
    Case(
        "lines of tree_sitter",
        "github",
        {"spec.chunking": {"type": "tree_sitter", "maxLines": 10}},
        "spec.chunking.maxLines",
        "maxLines needs chunking type lines",
    ),
    Case(
        "lines of the default chunking",
        "github",
        {"spec.chunking": {"maxLines": 10}},
        "spec.chunking.maxLines",
        "maxLines needs chunking type lines",
    ),
    Case(
        "chunks too large",
        "github",
        {"spec.chunking.maxSizeBytes": 16385},
        "spec.chunking.maxSizeBytes",
        "at most 16384",
        "less than or equal to 16384",
    ),
    Case(
        "chunks too small",
        "github",
        {"spec.chunking.maxSizeBytes": 15},
        "spec.chunking.maxSizeBytes",
        "at least 16",
        "greater than or equal to 16",
    ),
    Case(
        "chunk size in quotes",
        "github",
        {"spec.chunking.maxSizeBytes": "4096"},
        "spec.chunking.maxSizeBytes",
        "whole number",
        "must be of type integer",
    ),
    # github.
    Case(
        "no repository",
        "github",
        {"spec.github": {"includeGlobs": ["*"]}},
        "spec.github.repository",
        "is missing",
        "Required value",
    ),
    Case(
        "repository without owner",
        "github",
        {"spec.github.repository": "shop"},
        "spec.github.repository",
        "must be owner/name",
    ),
    Case(
        "repository is a path",
        "github",
        {"spec.github.repository": "../../etc"},
        "spec.github.repository",
        "must be owner/name",
    ),
    Case(
        "repository ends with a line feed",
        "github",
        {"spec.github.repository": "acme/shop\n"},
        "spec.github.repository",
        "must be owner/name",
    ),
    Case(
        "base url of git",
        "github",
        {"spec.github.baseUrl": "git://git.example.com"},
        "spec.github.baseUrl",
        _URL_SAYS,
    ),
    Case(
        "base url of a file",
        "github",
        {"spec.github.baseUrl": "file:///etc/passwd"},
        "spec.github.baseUrl",
        _URL_SAYS,
    ),
    Case(
        "credentials over http",
        "github",
        {
            "spec.github.baseUrl": "http://git.example.com",
            "spec.github.credentialsSecretRef": {"name": "git"},
        },
        "spec.github.baseUrl",
        "must be https when credentialsSecretRef is set",
    ),
    Case(
        "app without key",
        "github",
        {"spec.github.appId": "1234"},
        "spec.github.appId",
        "needs credentialsSecretRef",
    ),
    Case(
        "app id is a number",
        "github",
        {"spec.github.appId": 1234},
        "spec.github.appId",
        "must be a string",
        "must be of type string",
    ),
    Case(
        "app id of words",
        "github",
        {"spec.github.appId": "my app", "spec.github.credentialsSecretRef": {"name": "app"}},
        "spec.github.appId",
        "must be the id of a GitHub App",
    ),
    Case(
        "no globs",
        "github",
        {"spec.github.includeGlobs": []},
        "spec.github.includeGlobs",
        "at least 1",
    ),
    Case(
        "globs are one string",
        "github",
        {"spec.github.includeGlobs": "*.py"},
        "spec.github.includeGlobs",
        "must be a list",
        "must be of type array",
    ),
    Case(
        "negated glob",
        "github",
        {"spec.github.includeGlobs": ["*", "!*.md"]},
        "spec.github.includeGlobs[1]",
        "use excludeGlobs",
    ),
    Case(
        "the same glob twice",
        "github",
        {"spec.github.excludeGlobs": ["*.md", "*.md"]},
        "spec.github.excludeGlobs",
        "twice",
        "Duplicate value",
    ),
    Case(
        "too many globs",
        "github",
        {"spec.github.excludeGlobs": [f"{n}/" for n in range(101)]},
        "spec.github.excludeGlobs",
        "at most 100 items",
    ),
    Case(
        "file size of zero",
        "github",
        {"spec.github.maxFileSizeBytes": 0},
        "spec.github.maxFileSizeBytes",
        "at least 1",
        "greater than or equal to 1",
    ),
    # s3.
    Case(
        "s3 without region",
        "s3",
        {"spec.s3.region": GONE},
        "spec.s3.region",
        "is missing",
        "Required value",
    ),
    Case(
        "bad region",
        "s3",
        {"spec.s3.region": "Frankfurt"},
        "spec.s3.region",
        "must be the name of a region",
    ),
    Case(
        "bad bucket",
        "s3",
        {"spec.s3.bucketName": "My_Bucket"},
        "spec.s3.bucketName",
        "must be the name of a bucket",
    ),
    Case(
        "auto-sync without queue",
        "s3",
        {"spec.s3.autoSync": "direct"},
        "spec.s3.queueUrl",
        "must be set when autoSync is direct or metadata",
    ),
    Case(
        "queue without auto-sync",
        "s3",
        {"spec.s3.queueUrl": "https://sqs.example.com/q"},
        "spec.s3.queueUrl",
        "and only then",
    ),
    Case("unknown auto-sync", "s3", {"spec.s3.autoSync": "all"}, "spec.s3.autoSync", "metadata"),
    Case(
        "bad endpoint",
        "s3",
        {"spec.s3.endpointUrl": "minio:9000"},
        "spec.s3.endpointUrl",
        _URL_SAYS,
    ),
    # web.
    Case(
        "start page of ftp",
        "web",
        {"spec.web.startingUrl": "ftp://docs.example.com/"},
        "spec.web.startingUrl",
        "must be an http:// or https:// address of a page",
    ),
    Case(
        "too many pages",
        "web",
        {"spec.web.pageLimit": 501},
        "spec.web.pageLimit",
        "at most 500",
        "less than or equal to 500",
    ),
    Case(
        "negative depth",
        "web",
        {"spec.web.maxDepth": -1},
        "spec.web.maxDepth",
        "at least 0",
        "greater than or equal to 0",
    ),
    Case(
        "broken regex",
        "web",
        {"spec.web.includePathRegexes": ["/docs/("]},
        "spec.web.includePathRegexes[0]",
        _REGEX_SAYS,
    ),
    Case(
        "regex that looks ahead",
        "web",
        {"spec.web.excludePathRegexes": ["/docs/", "^/(?!docs/)"]},
        "spec.web.excludePathRegexes[1]",
        _REGEX_SAYS,
    ),
    Case("unknown rendering", "web", {"spec.web.rendering": "auto"}, "spec.web.rendering", "Auto"),
    # How it runs.
    Case(
        "bad cron",
        "s3",
        {"spec.schedule.cron": "61 * * * *"},
        "spec.schedule.cron",
        "must be five fields of cron",
    ),
    Case(
        "cron of six fields",
        "s3",
        {"spec.schedule.cron": "0 0 3 * * *"},
        "spec.schedule.cron",
        "must be five fields of cron",
    ),
    Case(
        "bad time zone",
        "s3",
        {"spec.schedule": {"cron": "@daily", "timeZone": "+02:00"}},
        "spec.schedule.timeZone",
        "must be a time zone of the tz database",
    ),
    Case(
        "schedule without collection",
        "github",
        {"spec.schedule.cron": "@daily"},
        "spec.schedule",
        "needs targetCollectionNameTemplate",
    ),
    Case(
        "unknown word in a name template",
        "github",
        {"spec.schedule": {"cron": "@daily", "targetCollectionNameTemplate": "docs-{commit}"}},
        "spec.schedule.targetCollectionNameTemplate",
        "{source}, {date} and {time} only",
    ),
    Case(
        "suspend is a word",
        "github",
        {"spec.suspend": "yes"},
        "spec.suspend",
        "true or false",
        "must be of type boolean",
    ),
    Case(
        "unknown concurrency policy",
        "github",
        {"spec.concurrencyPolicy": "Forbid"},
        "spec.concurrencyPolicy",
        "Replace",
    ),
    Case(
        "no parallelism",
        "github",
        {"spec.jobTemplate.parallelism": 0},
        "spec.jobTemplate.parallelism",
        "at least 1",
        "greater than or equal to 1",
    ),
    Case(
        "bad quantity",
        "github",
        {"spec.jobTemplate.resources.limits": {"memory": "4 gigs"}},
        "spec.jobTemplate.resources.limits",
        _QUANTITY_SAYS,
    ),
    Case(
        "negative quantity",
        "github",
        {"spec.jobTemplate.scratchSize": "-1Gi"},
        "spec.jobTemplate.scratchSize",
        _QUANTITY_SAYS,
    ),
    Case(
        "unknown resource",
        "github",
        {"spec.jobTemplate.resources.requests": {"ram": "4Gi"}},
        "spec.jobTemplate.resources.requests",
        "may name cpu, memory, ephemeral-storage",
    ),
    Case(
        "toleration of nothing",
        "github",
        {"spec.jobTemplate.tolerations": [{"effect": "NoSchedule"}]},
        "spec.jobTemplate.tolerations[0].key",
        "key must be set unless operator is Exists",
    ),
    Case(
        "toleration seconds without NoExecute",
        "github",
        {"spec.jobTemplate.tolerations": [{"key": "a", "tolerationSeconds": 5}]},
        "spec.jobTemplate.tolerations[0].tolerationSeconds",
        "needs effect: NoExecute",
    ),
    Case(
        "value of a toleration of any value",
        "github",
        {"spec.jobTemplate.tolerations": [{"operator": "Exists", "key": "a", "value": "b"}]},
        "spec.jobTemplate.tolerations[0].value",
        "value must not be set when operator is Exists",
    ),
    Case(
        "bad key of a toleration",
        "github",
        {"spec.jobTemplate.tolerations": [{"key": "a b", "operator": "Exists"}]},
        "spec.jobTemplate.tolerations[0].key",
        "must be the key of a label",
    ),
    Case(
        "bad value of a toleration",
        "github",
        {"spec.jobTemplate.tolerations": [{"key": "a", "value": "b c"}]},
        "spec.jobTemplate.tolerations[0].value",
        "must be the value of a label",
    ),
    Case(
        "bad key of nodeSelector",
        "github",
        {"spec.jobTemplate.nodeSelector": {"disk type": "ssd"}},
        "spec.jobTemplate.nodeSelector",
        "must be keys of labels",
    ),
    Case(
        "a field of a Job that is not ours",
        "github",
        {"spec.jobTemplate.hostNetwork": True},
        "spec.jobTemplate.hostNetwork",
        "no such field",
        "unknown field",
    ),
    Case(
        "unknown deletion policy",
        "github",
        {"spec.deletionPolicy": "Orphan"},
        "spec.deletionPolicy",
        "Retain",
    ),
    # Invocations.
    Case(
        "no source",
        "run",
        {"spec.sourceRef": GONE},
        "spec.sourceRef",
        "is missing",
        "Required value",
    ),
    Case(
        "collection name too short",
        "run",
        {"spec.targetCollectionName": "ab"},
        "spec.targetCollectionName",
        "at least 3",
    ),
    Case(
        "collection name with a blank",
        "run",
        {"spec.targetCollectionName": "my shop"},
        "spec.targetCollectionName",
        "letters, digits",
    ),
    Case(
        "collection name too long",
        "run",
        {"spec.targetCollectionName": "x" * 129},
        "spec.targetCollectionName",
        "at most 128",
        "more than 128",
    ),
    Case(
        "unknown target policy",
        "run",
        {"spec.targetPolicy": "Replace"},
        "spec.targetPolicy",
        "Update",
    ),
    Case(
        "branch and sha",
        "run",
        {"spec.github.refIdentifier": {"branch": "main", "sha": _SHA}},
        "spec.github.refIdentifier",
        "exactly one of branch, sha and tag",
    ),
    Case(
        "no ref",
        "run",
        {"spec.github.refIdentifier": {}},
        "spec.github.refIdentifier",
        "exactly one of branch, sha and tag",
    ),
    Case(
        "short sha",
        "run",
        {"spec.github.refIdentifier": {"sha": "0123abc"}},
        "spec.github.refIdentifier.sha",
        "must be a whole commit SHA",
    ),
    Case(
        "branch that is an option",
        "run",
        {"spec.github.refIdentifier": {"branch": "--upload-pack=x"}},
        "spec.github.refIdentifier.branch",
        "must be a name that Git accepts",
    ),
    Case(
        "branch with two dots",
        "run",
        {"spec.github.refIdentifier": {"branch": "a..b"}},
        "spec.github.refIdentifier.branch",
        "must be a name that Git accepts",
    ),
    Case(
        "github and s3",
        "run",
        {"spec.github": {}, "spec.s3": {"all": True}},
        "spec",
        "at most one of github and s3",
    ),
    Case(
        "object key of too many bytes",
        "s3 run",
        {"spec.s3.objectKey": "ü" * 513},
        "spec.s3.objectKey",
        "must have at most 1024 bytes",
    ),
    Case(
        "object and all",
        "s3 run",
        {"spec.s3.all": True},
        "spec.s3",
        "exactly one of objectKey and all: true",
    ),
    Case(
        "neither object nor all",
        "s3 run",
        {"spec.s3.objectKey": GONE},
        "spec.s3",
        "exactly one of objectKey and all: true",
    ),
    Case(
        "one id for all",
        "s3 run",
        {"spec.s3": {"all": True, "customId": "handbook"}},
        "spec.s3.customId",
        "needs objectKey",
    ),
    Case(
        "id of too many bytes",
        "s3 run",
        {"spec.s3.customId": "ü" * 61},
        "spec.s3.customId",
        "must have at most 120 bytes",
    ),
    Case(
        "too many metadata keys",
        "s3 run",
        {"spec.s3.metadata": {f"key{n}": n for n in range(17)}},
        "spec.s3.metadata",
        "at most 16 items",
    ),
    Case(
        "negative time to live",
        "run",
        {"spec.ttlSecondsAfterFinished": -1},
        "spec.ttlSecondsAfterFinished",
        "at least 0",
        "greater than or equal to 0",
    ),
)


@dataclass(frozen=True)
class Update:
    """A change to a stored object that the API server refuses."""

    id: str
    base: str
    before: dict[str, Any]
    after: dict[str, Any]
    field: str
    says: str


UPDATES: Final = (
    Update(
        "other type",
        "github",
        {},
        {"spec.github": GONE, "spec.web": {"startingUrl": "https://x.example/"}},
        "spec",
        "the type of a Source (github, s3 or web) never changes",
    ),
    Update(
        "other repository",
        "github",
        {},
        {"spec.github.repository": "acme/other"},
        "spec.github.repository",
        "repository never changes",
    ),
    Update(
        "other host",
        "github",
        {},
        {"spec.github.baseUrl": "https://git.example.com"},
        "spec.github.baseUrl",
        "baseUrl never changes",
    ),
    Update(
        "other database",
        "github",
        {},
        {"spec.databaseName": "other"},
        "spec.databaseName",
        "databaseName never changes",
    ),
    Update(
        "a server set later",
        "github",
        {},
        {"spec.chroma.url": "http://chroma:8000"},
        "spec.chroma",
        "chroma never changes",
    ),
    Update(
        "other server",
        "github",
        {"spec.chroma.url": "http://chroma:8000"},
        {"spec.chroma.url": "http://other:8000"},
        "spec.chroma",
        "chroma never changes",
    ),
    Update(
        "no server any more",
        "github",
        {"spec.chroma.url": "http://chroma:8000"},
        {},
        "spec.chroma",
        "chroma never changes",
    ),
    Update(
        "other bucket",
        "s3",
        {},
        {"spec.s3.bucketName": "other"},
        "spec.s3.bucketName",
        "bucketName never changes",
    ),
    Update(
        "endpoint set later",
        "s3",
        {},
        {"spec.s3.endpointUrl": "https://minio.example.com"},
        "spec.s3.endpointUrl",
        "endpointUrl never changes",
    ),
    Update(
        "other start page",
        "web",
        {},
        {"spec.web.startingUrl": "https://docs.example.com/v2"},
        "spec.web.startingUrl",
        "startingUrl never changes",
    ),
    Update(
        "other source",
        "run",
        {},
        {"spec.sourceRef.name": "other"},
        "spec.sourceRef",
        "sourceRef never changes",
    ),
    Update(
        "other collection",
        "run",
        {},
        {"spec.targetCollectionName": "other"},
        "spec.targetCollectionName",
        "targetCollectionName never changes",
    ),
    Update(
        "collection taken away",
        "run",
        {},
        {"spec.targetCollectionName": GONE},
        "spec.targetCollectionName",
        "targetCollectionName never changes",
    ),
    Update(
        "policy set later",
        "run",
        {},
        {"spec.targetPolicy": "Update"},
        "spec.targetPolicy",
        "targetPolicy never changes",
    ),
    Update(
        "ref set later",
        "run",
        {},
        {"spec.github.refIdentifier.branch": "main"},
        "spec.github",
        "github never changes",
    ),
    Update(
        "other ref",
        "run",
        {"spec.github.refIdentifier.branch": "main"},
        {"spec.github.refIdentifier.branch": "other"},
        "spec.github",
        "github never changes",
    ),
    Update(
        "other object",
        "s3 run",
        {},
        {"spec.s3.objectKey": "other.pdf"},
        "spec.s3",
        "s3 never changes",
    ),
    Update(
        "other metadata",
        "s3 run",
        {"spec.s3.metadata": {"team": "people", "tags": ["a"]}},
        {"spec.s3.metadata": {"team": "people", "tags": ["b"]}},
        "spec.s3",
        "s3 never changes",
    ),
    Update(
        "cancel taken back",
        "run",
        {"spec.cancel": True},
        {"spec.cancel": False},
        "spec.cancel",
        "cancel can't be taken back",
    ),
)

# Changes to stored objects that the API server takes.
GOOD_UPDATES: Final = (
    ("github", {"spec.github.includeGlobs": ["*.py"], "spec.suspend": True}),
    ("github", {"spec.embedding.dense.model": "sentence-transformers/all-MiniLM-L6-v2"}),
    ("github", {"spec.jobTemplate.parallelism": 3, "spec.chunking.maxSizeBytes": 1024}),
    ("s3", {"spec.s3.pathPrefix": "a/", "spec.s3.collectionName": "other"}),
    ("run", {"spec.cancel": True}),
    ("run", {"spec.ttlSecondsAfterFinished": 60}),
)
