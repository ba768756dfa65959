"""Whether what is asked and answered now is still what the model was tested on."""
