"""Parts of pretraining: configuration, start of the model, estimate, callbacks."""
