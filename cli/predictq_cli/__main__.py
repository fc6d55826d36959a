"""`predictq`, and `python -m predictq_cli`."""

import sys
from collections.abc import Sequence
from importlib import import_module

from predictq_cli.exits import Exit, ReaderGone

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and leave with its exit code."""
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: Sequence[str]) -> int:
    """Run one command; returns its exit code. What went wrong is told in one line on stderr."""
    try:
        import_module("rich")  # not needed before the first table, but better missed now than then
        from predictq_cli.app import build_app
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in {"typer", "rich", "click"}:
            raise
        print("predictq: the command needs typer and rich: pip install 'predictq[cli]'", file=sys.stderr)  # noqa: T201  a command prints
        return Exit.USAGE
    try:
        return int(build_app()(list(arguments), prog_name="predictq", standalone_mode=False) or Exit.OK)
    except ReaderGone:
        return Exit.READER_GONE
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except Exception as error:  # noqa: BLE001  told in one line, or raised again
        return _told(error)


def _told(error: Exception) -> int:
    from predictq_cli.failures import explain
    from predictq_cli.output import plain, remark

    failure = explain(error)
    if failure is None:
        raise error
    remark(f"predictq: {plain(failure.sentence)}")
    return failure.code


if __name__ == "__main__":
    main()
