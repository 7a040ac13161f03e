"""The models: each a file, entered in `keras_vae.zoo`; their classes stand at the top."""
