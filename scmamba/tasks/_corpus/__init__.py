"""Parts of the making of a corpus: filters of cells, files, manifest, the Census."""
