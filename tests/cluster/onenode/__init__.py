"""A real one-machine Kubernetes for tests, in namespaces of its own. See ../README.md."""
