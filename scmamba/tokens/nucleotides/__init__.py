"""DNA and RNA as tokens: tokenizers of published models, padded batches, masks."""
