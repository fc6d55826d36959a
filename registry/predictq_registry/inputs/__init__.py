"""What a release takes: read from a sample, learnt, checked for each request, and put together for the model."""
