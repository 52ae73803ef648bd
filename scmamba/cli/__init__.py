"""The ``scmamba`` command: files in, files out, made from the functions of the other rooms."""
