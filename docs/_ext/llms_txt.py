"""``llms.txt`` among the pages: what there is to read, for language models."""

from __future__ import annotations

from pathlib import Path


def _write(app, exception) -> None:  # noqa: ANN001
    if exception or app.builder.name != "html":
        return
    lines = [
        "# scmamba",
        "",
        "> Annotates, integrates, embeds and perturbs single-cell data, and runs DNA and mRNA models, "
        "in Python on AnnData and from the command line.",
        "",
    ]
    base = app.config.ogp_site_url or ""
    for section, pages in app.config.llms_sections.items():
        lines += [f"## {section}", ""]
        for page in pages:
            title = app.env.titles[page].astext()
            lines.append(f"- [{title}]({base}{page}.html)")
        lines.append("")
    (Path(app.outdir) / "llms.txt").write_text("\n".join(lines))


def setup(app) -> dict[str, bool]:  # noqa: ANN001
    """Write the file when all pages are."""
    app.add_config_value("llms_sections", {}, "html")
    app.connect("build-finished", _write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
