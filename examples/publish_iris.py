"""Publish an iris classifier, unless there is one: the job that `docker compose up` runs before its workers.

As skops, which runs no code when it is loaded: workers take it from anybody, so none of them needs to know a key.
"""

from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from predictq_registry import Registry


def main() -> None:
    """Find a release in production, or fit and publish one."""
    registry = Registry()
    version = registry.aliases("iris").table.get("production")
    if version is not None:
        print(f"iris version {version} is in production")
        return
    flowers, species = load_iris(return_X_y=True)
    model = LogisticRegression(max_iter=1000).fit(flowers, species)
    accuracy = model.score(flowers, species)
    about = {"alias": "production", "metrics": {"accuracy": accuracy}}
    release = registry.publish("iris", model, sample=flowers, formats=["skops"], signer=None, **about)
    print(f"published iris version {release.version}, accuracy {accuracy:.0%}")


if __name__ == "__main__":
    main()
