"""`textclf prune`."""

from typing import Annotated

from cyclopts import Parameter, validators


def prune(
    stack: str,
    /,
    *,
    keep: Annotated[int, Parameter(validator=validators.Number(gte=1))] = 3,
    with_snapshots: bool = False,
) -> None:
    """Delete old versions of a stack's function.

    A version costs nothing by itself, but with `SnapStart=on` its snapshot does, for as long as the
    version exists. The versions that serve, and the one that the stack deployed last, are never
    deleted; those whose deployment failed, and past candidates, always are. What is deleted cannot
    serve again, so `textclf rollback` goes back as far as you keep. `make deploy` prunes after each
    deployment with `SnapStart=on`.

    ```
    textclf prune text-classifier-prod --keep 5
    ```

    Args:
        stack: The name of the stack.
        keep: How many of the newest versions to keep.
        with_snapshots: Do nothing unless the versions have snapshots.
    """
    from operations.stack import Stack
    from operations.versions import has_snapshots, prune_versions
    from textclf.operate import connect

    cloudformation, lambda_ = connect()
    found = Stack.find(cloudformation, stack)
    if with_snapshots and not has_snapshots(lambda_, found):
        return
    deleted = prune_versions(cloudformation, lambda_, found, keep)
    listed = f"deleted the versions {', '.join(deleted)}" if deleted else "no version to delete"
    print(f"{stack}: {listed}")
