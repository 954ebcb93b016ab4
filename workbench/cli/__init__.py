"""The command line: one file per command, loaded only when it is called."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

import click

from workbench import __version__

# name -> (module, short help); the module has one click command named `command`.
COMMANDS = {
    "alerts": ("workbench.cli.alerts", "Price alerts, and what the price did afterwards."),
    "config": ("workbench.cli.config", "Show every setting and where it comes from."),
    "demo": ("workbench.cli.demo", "Run the whole way once: stack, jobs, data, report."),
    "dlq": ("workbench.cli.dlq", "See why records were refused, mend them, send them again."),
    "doctor": ("workbench.cli.doctor", "Say what is missing or wrong, with a fix for each."),
    "exposure": ("workbench.cli.exposure", "Exposure by sector, of one account or of all."),
    "generate": ("workbench.cli.generate", "Write a seeded, believable market day."),
    "jobs": ("workbench.cli.jobs", "Submit, watch and stop the Flink jobs."),
    "metrics": ("workbench.cli.metrics", "What runs, as metrics for Prometheus."),
    "orders": ("workbench.cli.orders", "Fill, cancel and reject rates of orders."),
    "portfolio": ("workbench.cli.portfolio", "Positions and P&L of one account, or their history."),
    "profile": ("workbench.cli.profile", "When in the day a symbol trades."),
    "quality": ("workbench.cli.quality", "How good the data is, and which rows are not."),
    "reference": ("workbench.cli.reference", "Show or change the reference data."),
    "replay": ("workbench.cli.replay", "Send files to the raw topics."),
    "report": ("workbench.cli.report", "Run a notebook as a validated report."),
    "sectors": ("workbench.cli.sectors", "Performance by sector."),
    "spread": ("workbench.cli.spread", "Spread, depth and imbalance through the day."),
    "sql": ("workbench.cli.sql", "Ask the pinned tables in DuckDB SQL."),
    "stack": ("workbench.cli.stack", "The embedded broker and cluster: up, down, status, logs."),
    "status": ("workbench.cli.status", "Stack, jobs, lag and freshness on one screen."),
    "tables": ("workbench.cli.tables", "Create, list, describe and maintain the tables."),
    "top": ("workbench.cli.top", "The most traded symbols."),
    "topics": ("workbench.cli.topics", "Create, list and compare the Kafka topics."),
    "volume": ("workbench.cli.volume", "Volume of a symbol against its history."),
    "vwap": ("workbench.cli.vwap", "Price and VWAP of a symbol through the day."),
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module, short_help = COMMANDS[name]
        command: click.Command = import_module(module).command
        command.short_help = short_help
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        # The listing comes from the table above: importing every command would cost a second.
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][1]) for name in sorted(COMMANDS)])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="workbench")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.pass_context
def cli(ctx: click.Context, debug: bool) -> None:
    """Batch-and-stream market analytics: Kafka, Flink and Iceberg land it, DuckDB answers."""
    ctx.ensure_object(dict)["debug"] = debug


def main(argv: list[str] | None = None) -> Any:
    """Run the command line; errors for people are one line on stderr."""
    from workbench.errors import WorkbenchError

    arguments = sys.argv[1:] if argv is None else argv
    try:
        code = cli.main(args=arguments, prog_name="workbench", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped", err=True)
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except WorkbenchError as error:
        if "--debug" in arguments:
            raise
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
    except Exception as error:
        if "--debug" in arguments:
            raise
        from workbench.provenance import hide_in_text

        # The message of some library: an address in it may have a password.
        said = (hide_in_text(str(error), {}).splitlines() or [""])[0]
        click.echo(
            f"error: {type(error).__name__}: {said} (workbench --debug ... shows where)", err=True
        )
        sys.exit(1)
    sys.exit(code if isinstance(code, int) else 0)
