"""The ``sdgasnet`` command: verbs, and what a user sees when something is wrong."""

from __future__ import annotations

import errno
import os
import sys
from typing import NoReturn

import typer

from sdgasnet import __version__
from sdgasnet.cli.benchmark import benchmark
from sdgasnet.cli.bundle import bundle_app
from sdgasnet.cli.calibrate import calibrate
from sdgasnet.cli.data import data_app
from sdgasnet.cli.data_fix import fix
from sdgasnet.cli.data_leak import leak
from sdgasnet.cli.data_pair import pair
from sdgasnet.cli.data_plant import plant
from sdgasnet.cli.data_suspect import suspect
from sdgasnet.cli.data_tools import export_boxes, import_boxes
from sdgasnet.cli.demo import demo
from sdgasnet.cli.distill import distill
from sdgasnet.cli.drift import baseline, drift
from sdgasnet.cli.experiment import experiment_app
from sdgasnet.cli.export import export
from sdgasnet.cli.model import model_app
from sdgasnet.cli.parity import parity
from sdgasnet.cli.predict import predict
from sdgasnet.cli.report import report
from sdgasnet.cli.synth import synth
from sdgasnet.cli.train import train
from sdgasnet.cli.tune import tune
from sdgasnet.cli.val import val
from sdgasnet.errors import SDGASNetError

app = typer.Typer(
    name="sdgasnet",
    help="Train a surface-defect detector on your own pictures, measure it, detect with it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
bundle_app.command()(baseline)
data_app.command()(synth)
data_app.command()(plant)
data_app.command()(pair)
data_app.command()(fix)
data_app.command()(leak)
data_app.command()(suspect)
data_app.command("export")(export_boxes)
data_app.command("import")(import_boxes)
app.add_typer(data_app)
app.add_typer(model_app)
app.add_typer(bundle_app)
app.add_typer(experiment_app)
app.command()(train)
app.command()(distill)
app.command()(export)
app.command()(parity)
app.command()(val)
app.command()(calibrate)
app.command()(predict)
app.command()(report)
app.command()(drift)
app.command()(benchmark)
app.command()(tune)
app.command()(demo)


@app.callback(invoke_without_command=True)
def _root(version: bool = typer.Option(False, "--version", help="Print the version and exit.")) -> None:
    if version:
        typer.echo(f"sdgasnet {__version__}")
        raise typer.Exit


def main() -> None:
    """Run the command line; turn expected errors into one message and exit code 2."""
    try:
        app()
    except SDGASNetError as error:
        print(f"error: {error}", file=sys.stderr)
        end_process(2)
    except OSError as error:
        # Python's questions whether a file is there answer a name that no file can have with this.
        if error.errno != errno.ENAMETOOLONG:
            raise
        print(f"error: {error.filename} is no name that a file can have: it is too long.", file=sys.stderr)
        end_process(2)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        end_process(130)
    except SystemExit as ended:
        if not isinstance(ended.code, int | None):
            raise
        end_process(ended.code or 0)


def end_process(code: int) -> NoReturn:
    """Exit; one process of a training on several leaves without the interpreter's teardown.

    The threads of gradients and of gloo may still hold tensors then and would abort or hang the process after
    its work is done (https://github.com/pytorch/pytorch/issues/190489).
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)
