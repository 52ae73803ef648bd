"""``scmamba models``."""

from __future__ import annotations


def models(kind: str | None = None) -> None:
    """List the models and annotators that come with the package or can be fetched.

    Parameters
    ----------
    kind
        Only those of one kind: annotator, backbone or sequence.
    """
    from scmamba._errors import ScmambaError
    from scmamba.models.catalog import list_models

    table = list_models()
    kinds = sorted(set(table["kind"]))
    if kind is not None and kind not in kinds:
        raise ScmambaError(f"kind={kind!r}; allowed: {', '.join(kinds)}")
    if kind is not None:
        table = table[table["kind"] == kind]
    table = table.drop(columns="license").astype(object)
    print(table.where(table.notna(), "-").to_string())
    print("scmamba info NAME tells license and source of one")
