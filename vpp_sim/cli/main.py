"""`vpp-sim`: finds the command, runs it, and turns whatever happens into a message and an exit code.

0 ok    2 bad input or usage    3 infeasible    4 solver limit    1 a defect of vpp_sim
130 stopped by Ctrl-C (143 by a request to end, 129 by a terminal that was closed)    141 nobody reads what is printed
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
import threading
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, NoReturn, TextIO

import click

from vpp_sim.errors import DefectError, VppSimError
from vpp_sim.whole_files import STOPPING, reason

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

#: Commands in the order of help, each in `vpp_sim/cli/<name>.py`, which is imported only when the command is run.
COMMANDS = {
    "run": "Find the optimal operation and write a result folder.",
    "check": "Check a scenario and all its input files without solving.",
    "init": "Write a commented scenario to start from.",
    "kinds": "List the kinds of components, or the parameters of one.",
    "schema": "Print the JSON Schema of scenario files, for editors.",
    "weather": "Download the weather of a place into a file.",
    "sweep": "Run every case of a study and write one table.",
    "size": "Find the capacities of least cost, and cost against size.",
    "pareto": "Find the least cost at every level of a second aim.",
    "sensitivity": "Change numbers, one at a time or all at once, and see which matter.",
    "tariff": "Find the cheapest charge for power, with and without storage.",
    "compare": "Put result folders side by side.",
    "policy": "Hold result folders against the rules that parks are asked to meet.",
    "proforma": "Judge what was bought over its years: cash flow, NPV, IRR, payback.",
    "report": "Make the page of a result folder again.",
    "verify": "Verify a result folder from its files alone.",
    "export": "Write the linear program as LP or MPS file.",
}
DEFECT, BAD_INPUT, BROKEN_PIPE = 1, 2, 141
#: What a shell adds to the number of the signal that ended a process.
BY_SIGNAL = 128
#: What the machine has run out of or does not allow, wherever it shows; the message need not name a file.
OF_THE_MACHINE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO, errno.EMFILE, errno.ENFILE}


class Stopped(KeyboardInterrupt):
    """A request to end other than Ctrl-C: treated like it, told apart by the exit code."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class _LazyGroup(click.Group):
    """A group whose commands are imported when they are run; help needs only the table above."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"vpp_sim.cli.{cmd_name}"), cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        from vpp_sim.errors import nearest

        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            close = nearest(args[0], COMMANDS)
            hint = f"did you mean {close}?" if close else f"one of {', '.join(COMMANDS)}"
            ctx.fail(f"unknown command '{args[0]}'; {hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> object:
        try:
            result: object = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            # whoever read our output has seen enough
            _abandon(sys.stdout)
            sys.exit(BROKEN_PIPE)
        return result


def _print_version(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        click.echo(f"vpp-sim {_version()}")
        ctx.exit()


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("vpp-sim")
    except PackageNotFoundError:
        return "(not installed)"


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Version.")
@click.option("--debug", is_flag=True, help="Show the traceback of an unexpected error.")
def cli(debug: bool) -> None:
    """The optimal year of a microgrid with PV, storage, EV charging and flexible compute.

    Begin with `vpp-sim init site.yaml`, then `vpp-sim check site.yaml` and `vpp-sim run site.yaml`.
    """


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # started with the stream closed
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
    for number in STOPPING:
        if signal.getsignal(number) is signal.SIG_DFL:  # nohup ignores the terminal's end; Ctrl-C is Python's own
            signal.signal(number, _stop)
    sys.unraisablehook = _ask_again
    code = exit_code(list(sys.argv[1:] if arguments is None else arguments))
    # all is done or given up: a request to stop that comes now has nothing to stop
    for number in STOPPING:
        signal.signal(number, signal.SIG_IGN)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError as error:
            _abandon(stream)
            code = code or (BROKEN_PIPE if error.errno == errno.EPIPE else _say(reason(error), BAD_INPUT))
    sys.exit(code)


def _stop(number: int, frame: object) -> NoReturn:
    raise Stopped(number)


def _ask_again(unraisable: UnraisableHookArgs) -> None:
    """A request to stop that came within a callback from native code is lost there: it is made again a moment later."""
    error = unraisable.exc_value
    if not isinstance(error, KeyboardInterrupt):
        sys.__unraisablehook__(unraisable)
        return
    number = error.number if isinstance(error, Stopped) else signal.SIGINT
    main_thread = threading.main_thread().ident
    if hasattr(signal, "pthread_kill") and main_thread is not None:
        # sent to the main thread itself, whatever it waits for ends
        threading.Timer(0.02, signal.pthread_kill, [main_thread, number]).start()
    else:
        threading.Timer(0.02, signal.raise_signal, [number]).start()


def _abandon(stream: TextIO) -> None:
    """Let a stream that cannot be written to end nowhere, so that it fails no more when it is flushed at the end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def exit_code(arguments: list[str]) -> int:
    """Run one command line; what it must end with. Every message but results goes to stderr."""
    try:
        result = cli.main(arguments, prog_name="vpp-sim", standalone_mode=False)
    except click.exceptions.Exit as error:
        return error.exit_code
    except (click.Abort, KeyboardInterrupt) as error:
        stopped = error if isinstance(error, KeyboardInterrupt) else error.__cause__
        return _say("stopped", BY_SIGNAL + (stopped.number if isinstance(stopped, Stopped) else signal.SIGINT))
    except click.ClickException as error:
        error.show()
        return BAD_INPUT
    except DefectError as error:
        return _say(str(error), error.exit_code)
    except VppSimError as error:
        return _say(str(error), error.exit_code)
    except MemoryError:
        return _say("out of memory; use fewer days or longer steps", BAD_INPUT)
    except OSError as error:
        if _shows_tracebacks(arguments) or (error.filename is None and error.errno not in OF_THE_MACHINE):
            return _report_defect(error, arguments)
        where = f"{error.filename}: " if error.filename is not None else ""
        return _say(f"{where}{reason(error)}", BAD_INPUT)
    except Exception as error:
        return _report_defect(error, arguments)
    return result if isinstance(result, int) else 0


def _say(message: str, code: int) -> int:
    with contextlib.suppress(OSError):  # a terminal that was closed
        click.echo(message, err=True)
    return code


def _shows_tracebacks(arguments: Sequence[str]) -> bool:
    return "--debug" in arguments


def _report_defect(error: Exception, arguments: Sequence[str]) -> int:
    """One line that says that this is our fault, and where the traceback lies."""
    import platform
    import tempfile
    import traceback

    what = " ".join(f"{type(error).__name__}: {error}".split())
    text = "".join(traceback.format_exception(error))
    if _shows_tracebacks(arguments):
        click.echo(text, err=True, nl=False)
        return _say(f"this is a defect of vpp_sim, please report it in the project's issue tracker: {what}", DEFECT)
    head = f"vpp-sim {_version()}, Python {platform.python_version()}, {platform.platform()}\n"
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="vpp-sim-defect-", suffix=".txt", delete=False, encoding="utf-8"
        ) as file:
            file.write(f"{head}vpp-sim {' '.join(arguments)}\n\n{text}")
        where = f"with the file {file.name}"
    except OSError:
        where = "with what `vpp-sim --debug` shows"
    return _say(f"this is a defect of vpp_sim, please report it in the project's issue tracker {where}: {what}", DEFECT)
