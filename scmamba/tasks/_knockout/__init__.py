"""Parts of :func:`scmamba.tasks.knockout`."""
