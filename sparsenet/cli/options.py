"""Arguments and options that several commands share."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import click

F = TypeVar("F", bound=Callable[..., Any])

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
WRITTEN = click.Path(dir_okay=False, path_type=Path)
FOLDER = click.Path(file_okay=False, path_type=Path)


def overrides(function: F) -> F:
    """--set KEY.PATH=VALUE, any number of them."""
    return click.option(
        "--set",
        "overrides",
        multiple=True,
        metavar="KEY.PATH=VALUE",
        help="Set a key over the file, by its path: base_lr=0.1, regularization.conv1.t=300, "
        "net.layers.ip1.num_output=200, stages.0.until.iters=50. May be repeated.",
    )(function)


def device(function: F) -> F:
    """--device."""

    def checked(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"cpu|cuda(:\d{1,3})?", value):
            raise click.BadParameter(f"{value!r} is not cpu, cuda or cuda:N", ctx, param)
        return value

    return click.option(
        "--device",
        metavar="DEVICE",
        callback=checked,
        help="cpu, cuda or cuda:N, over the file's solver_mode.",
    )(function)


def study(function: F) -> F:
    """--output, --jobs, --threads, --cluster and --device, as one argument `study`."""

    @functools.wraps(function)
    def call(
        output: Path | None,
        jobs: int | None,
        threads: int,
        cluster: str | None,
        device: str | None,
        **others: Any,
    ) -> Any:
        from sparsenet.studies.study import StudyOptions  # noqa: PLC0415  it imports torch

        return function(study=StudyOptions(output, jobs, threads, cluster, device), **others)

    decorated = device(call)
    for option in (
        click.option(
            "--cluster",
            metavar="auto|HOST:PORT",
            help="Run the trials on the Ray cluster there (an extra).",
        ),
        click.option(
            "--threads",
            type=click.IntRange(1),
            default=1,
            show_default=True,
            help="Threads of each trial. With another number the sums are rounded otherwise.",
        ),
        click.option("--jobs", type=click.IntRange(1), help="Trials at a time; default: cores."),
        click.option("--output", type=FOLDER, help="The study's folder; default: below runs/."),
    ):
        decorated = option(decorated)
    return cast(F, decorated)


def written(function: F) -> F:
    """--output FILE, which must be given, and --overwrite."""
    decorated = click.option("--overwrite", is_flag=True, help="Replace a file that is there.")(
        function
    )
    return click.option(
        "-o", "--output", type=WRITTEN, required=True, metavar="FILE", help="The file to write."
    )(decorated)


def without_data(function: F) -> F:
    """--without-data, as the argument `data`."""
    return click.option(
        "--without-data",
        "data",
        is_flag=True,
        flag_value=False,
        default=True,
        help="Leave out the test accuracy, for which the data are needed.",
    )(function)


def as_json(function: F) -> F:
    """--json."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")(
        function
    )


def quiet(function: F) -> F:
    """--quiet."""
    return click.option("--quiet", is_flag=True, help="Show no progress.")(function)


def numbers(
    ctx: click.Context, param: click.Parameter, value: str | None
) -> tuple[int, ...] | None:
    """A comma list of whole numbers, each once, in its order."""
    if value is None:
        return None
    if not re.fullmatch(r"\d{1,9}(,\d{1,9})*", value):
        raise click.BadParameter(f"{value!r} is not a number, or a list such as 1,2,3", ctx, param)
    return tuple(dict.fromkeys(map(int, value.split(","))))


def image_shape(
    ctx: click.Context, param: click.Parameter, value: str | None
) -> tuple[int, ...] | None:
    """Three whole numbers above 0: channels, height and width."""
    if value is None:
        return None
    if not re.fullmatch(r"[1-9]\d{0,8}(,[1-9]\d{0,8}){2}", value):
        words = f"{value!r} is not channels, height and width, such as 3,227,227"
        raise click.BadParameter(words, ctx, param)
    return tuple(map(int, value.split(",")))


def print_json(document: object) -> None:
    """Print a document as indented JSON on stdout."""
    click.echo(json.dumps(document, indent=1))
