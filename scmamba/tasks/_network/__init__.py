"""Parts of :func:`scmamba.tasks.gene_network`."""
