"""The bundle and the classifier made of it; fetched from and published to the model store."""
