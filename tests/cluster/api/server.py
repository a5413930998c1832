"""The real API server, as the tests of both kinds use it."""

from __future__ import annotations

import json

from kubernetes import client
from kubernetes.client import ApiException, CustomObjectsApi

from cluster.api.invalid_objects import Object


class Api:
    """Both kinds in one namespace, with the strict decoding that kubectl asks for."""

    def __init__(self, connection: client.ApiClient, namespace: str) -> None:
        self._objects = CustomObjectsApi(connection)
        self.namespace = namespace

    def create(self, obj: Object) -> Object:
        """What the API server would store, were this not a dry run."""
        made: Object = self._objects.create_namespaced_custom_object(
            **self._place(obj), field_validation="Strict", dry_run="All"
        )
        return made

    def apply(self, obj: Object) -> Object:
        """Server-side apply: what the object says no more goes."""
        applied: Object = self._objects.patch_namespaced_custom_object(
            **self._place(obj),
            name=obj["metadata"]["name"],
            field_validation="Strict",
            field_manager="test",
            force=True,
            _content_type="application/apply-patch+yaml",
        )
        return applied

    def _place(self, obj: Object) -> Object:
        return {
            "group": "chromasync.dev",
            "version": "v1alpha1",
            "namespace": self.namespace,
            "plural": f"{obj['kind'].lower()}s",
            "body": obj,
        }


def refusal(error: ApiException) -> str:
    """What the API server says to a person."""
    assert error.status in (400, 422), error
    return str(json.loads(error.body)["message"])
