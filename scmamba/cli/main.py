"""The frame of the command line: finds the command, makes its parser, turns errors into one line.

A command is a function in a module of its own; its signature and docstring make its parser. What
it passes on as ``**options`` to a function of ``tasks`` becomes options too, so that both stay one.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import json
import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from scmamba._errors import ScmambaError
from scmamba._read import check_yaml
from scmamba._settings import settings
from scmamba._version import __version__

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser

# Help stands here so that ``scmamba --help`` imports none of the modules.
COMMANDS = {
    "demo": "annotate real blood cells that ship with scanpy, with pictures and a report",
    "annotate": "predict cell types by an annotator that ships, a saved one, or labeled cells",
    "explain": "write the genes that decide about the labels of an annotator",
    "integrate": "bring batches together: an embedding, and expression, without batch effects",
    "multiomics": "embed cells with RNA, proteins and chromatin together, and impute",
    "report": "show the result of any task on one HTML page",
    "embed": "write cell embeddings of a pretrained model",
    "perturb": "learn effects of perturbations, and predict others, in other cells too",
    "pretrain": "pretrain a model on the cells of many files, or train one further",
    "build-corpus": "make a folder of cells to pretrain on: filtered, without copies, listed",
    "download-census": "write the cells of a tissue in the CELLxGENE Census, a file a data set",
    "knockout": "delete or overexpress genes in a model's input, and write how cells move",
    "gene-network": "write edges from regulators to targets, with correlations beside",
    "embed-sequences": "write embeddings of DNA or RNA by a pretrained model",
    "score": "write log-likelihoods of sequences",
    "conservation": "write how much a model expects each nucleotide",
    "mutagenesis": "change a sequence in every way, and write what each change does",
    "variant-effects": "write likelihood ratios of the variants of a VCF file",
    "generate": "continue sequences by a causal model",
    "pretrain-sequences": "learn the language of sequences, without labels",
    "fit-sequences": "learn to predict labels or numbers from sequences",
    "predict-sequences": "predict sequences with a saved predictor",
    "benchmark integration": "score batch correction by scmamba, Harmony, scVI and others",
    "benchmark multiomics": "score multi-omics models by scmamba, totalVI, WNN and others",
    "benchmark perturbation": "predict held-out perturbations by scmamba and plain baselines",
    "benchmark nt": "compare sequence classifiers on the 18 Nucleotide Transformer tasks or yours",
    "download": "fetch a published model, checked and locked by its checksums",
    "models": "list the models and annotators that ship with the package or can be fetched",
    "info": "this machine: device and kernels; or a model: size, license, source",
}
_WRONG, _INTERRUPTED, _NOT_READ = 2, 130, 141


def console() -> int:
    """Run :func:`main` as the installed command does, in a process of its own.

    Threads that wait by spinning make small models a hundred times slower where another program
    uses the same cores, so OpenMP is told to let them sleep, unless the user has said otherwise.

    Returns
    -------
    What :func:`main` returns; 141, as a shell gives it, where the reader of the output, such as
    ``head``, has closed the pipe.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        code = main()
        sys.stdout.flush()
    except BrokenPipeError:
        # Python flushes both streams once more when it ends: nobody is there to read.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for stream in (sys.stdout, sys.stderr):
            os.dup2(nowhere, stream.fileno())
        return _NOT_READ
    return code


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that ``argv`` names.

    Returns
    -------
    0 if it worked, 2 if an input was wrong, 130 after Ctrl-C.
    """
    arguments = list(map(_underscored, sys.argv[1:] if argv is None else argv))
    first = arguments[0] if arguments else "--help"
    if first in ("-h", "--help"):
        print(_overview())
        return 0
    if first == "--version":
        print(f"scmamba {__version__}")
        return 0
    words = 2 if " ".join(arguments[:2]) in COMMANDS else 1
    name = " ".join(arguments[:words])
    if name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, n=1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        return _fail(f"unknown command {name!r}{hint}; commands are {', '.join(COMMANDS)}")
    try:
        _run(name, arguments[words:])
    except ScmambaError as error:
        return _fail(str(error))
    except KeyboardInterrupt:
        return _stopped()
    except SystemExit as stop:
        # Lightning answers Ctrl-C during training with an exit of its own.
        if isinstance(stop.__context__, KeyboardInterrupt):
            return _stopped()
        raise
    return 0


def _underscored(argument: str) -> str:
    """Name an option with underscores, as the parsers know it; dashes are as good."""
    if not argument.startswith("--"):
        return argument
    name, equals, value = argument[2:].partition("=")
    return f"--{name.replace('-', '_')}{equals}{value}"


def _run(name: str, arguments: list[str]) -> None:
    module = name.replace("-", "_").replace(" ", "_")
    command: Callable[..., None] = getattr(importlib.import_module(f"scmamba.cli.{module}"), module)
    _check_configs(arguments)
    parser = _parser(name, command)
    parsed = parser.parse_args(_named(command, arguments))
    # objects such as a training, from options; before jsonargparse 4.49 under the longer name
    instantiate = getattr(parser, "instantiate", None) or parser.instantiate_classes
    chosen = vars(instantiate(parsed))
    chosen.pop("config")
    settings.device = chosen.pop("device")
    settings.verbosity = chosen.pop("verbosity")
    command(**chosen)


def _check_configs(arguments: list[str]) -> None:
    """Refuse files of options that would take long to read, before the parser reads them."""
    for before, argument in zip(["", *arguments], arguments, strict=False):
        if argument.startswith("--config="):
            check_yaml(argument.removeprefix("--config="))
        elif before == "--config":
            check_yaml(argument)


def _named(command: Callable[..., None], arguments: list[str]) -> list[str]:
    """Bare first arguments, as the parser understands them.

    One stands for the first parameter where that one may be left out; several are a list where
    the first parameter may be one.
    """
    parameters = inspect.signature(command).parameters
    first = next(iter(parameters.values()))
    arguments = _switched_on(arguments, [p.name for p in parameters.values() if p.default is False])
    several = [p.name for p in parameters.values() if str(p.annotation).startswith("list[")]
    arguments = _listed(arguments, several)
    n_bare = next((i for i, a in enumerate(arguments) if a.startswith("-")), len(arguments))
    if n_bare > 1 and str(first.annotation).startswith("list["):
        arguments = [json.dumps(arguments[:n_bare]), *arguments[n_bare:]]
    if n_bare and first.kind is first.POSITIONAL_OR_KEYWORD and first.default is not first.empty:
        return [f"--{first.name}", *arguments]
    return arguments


def _listed(arguments: list[str], names: Sequence[str]) -> list[str]:
    """Give an option that may be a list all values behind it, as one."""
    options, found = {f"--{name}" for name in names}, []
    while arguments:
        first, *arguments = arguments
        found.append(first)
        if first in options:
            n = next((i for i, a in enumerate(arguments) if a.startswith("-")), len(arguments))
            found += [json.dumps(arguments[:n])] if n > 1 else arguments[:n]
            arguments = arguments[n:]
    return found


def _switched_on(arguments: list[str], switches: Sequence[str]) -> list[str]:
    """Give a switch without a value the value true."""
    names, found = {f"--{name}" for name in switches}, []
    for argument, behind in zip(arguments, [*arguments[1:], "--"], strict=False):
        bare = argument in names and behind.casefold() not in ("true", "false", "yes", "no")
        found.append(f"{argument}=true" if bare else argument)
    return found


def _parser(name: str, command: Callable[..., None]) -> ArgumentParser:
    from jsonargparse import ArgumentParser

    from scmamba.cli._help import Help
    from scmamba.cli._signature import with_options

    parser = ArgumentParser(
        prog=f"scmamba {name}", description=_sentence(COMMANDS[name]), formatter_class=Help
    )
    parser.add_argument("--config", action="config", help="YAML file that holds these options.")
    parser.add_function_arguments(with_options(command), as_group=False, as_positional=True)
    parser.add_argument(
        "--device", type=str, default="auto", help="Device: auto, cpu, cuda, cuda:1, mps, ..."
    )
    parser.add_argument(
        "--verbosity",
        choices=("error", "warning", "info", "debug"),
        default="info",
        help="Which messages are shown.",
    )
    return parser


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _overview() -> str:
    width = max(map(len, COMMANDS)) + 2
    return "\n".join(
        [
            "usage: scmamba COMMAND [options]",
            "",
            "A single-cell foundation model on a bidirectional Mamba-2.",
            "",
            *(f"  {name:<{width}}{about}" for name, about in COMMANDS.items()),
            "",
            "scmamba COMMAND --help lists the options, which --config FILE.yaml can hold too.",
        ]
    )


def _fail(message: str) -> int:
    print(f"scmamba: {' '.join(message.split())}", file=sys.stderr)
    return _WRONG


def _stopped() -> int:
    print("\nscmamba: stopped; nothing was half written", file=sys.stderr)
    return _INTERRUPTED
