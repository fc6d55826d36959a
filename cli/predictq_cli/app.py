"""Which commands there are."""

from typing import Annotated

import typer

from predictq_cli import dead, experiment, keys, listen, models, predict, publish, queues, rollout, worker
from predictq_cli.demo import command as demo
from predictq_cli.doctor import command as doctor
from predictq_cli.exits import EXIT_CODES

__all__ = ["build_app"]


def build_app() -> typer.Typer:
    """The whole command. Nothing heavy is imported before one of its parts runs."""
    app = typer.Typer(
        name="predictq",
        help="Predictions on demand over a message queue.",
        epilog=f"Begin with: predictq demo\n\n{EXIT_CODES}",
        no_args_is_help=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback(invoke_without_command=True)(_root)
    app.command("demo", epilog=demo.EXAMPLE)(demo.demo)
    app.command("publish", epilog=publish.EXAMPLE)(publish.publish)
    app.add_typer(models.build(), name="models")
    app.add_typer(rollout.build(), name="rollout")
    app.add_typer(experiment.build(), name="experiment")
    app.add_typer(keys.build(), name="keys")
    app.command("worker", epilog=worker.EXAMPLE)(worker.worker)
    app.command("predict", epilog=predict.EXAMPLE)(predict.predict)
    app.command("listen", epilog=listen.EXAMPLE)(listen.listen)
    app.command("queues", epilog=queues.EXAMPLE)(queues.queues)
    app.add_typer(dead.build(), name="dead")
    app.command("doctor", epilog=doctor.EXAMPLE)(doctor.doctor)
    return app


def _root(
    context: typer.Context,
    *,
    version: Annotated[bool, typer.Option("--version", help="Print the version and leave.")] = False,
) -> None:
    """Predictions on demand over a message queue."""
    from predictq_cli.output import write

    if version:
        from importlib.metadata import PackageNotFoundError
        from importlib.metadata import version as installed

        try:
            write(f"predictq {installed('predictq')}")
        except PackageNotFoundError:
            write("predictq, run from its sources")
        raise typer.Exit
    if context.invoked_subcommand is None:
        write(context.get_help())
        raise typer.Exit(2)
