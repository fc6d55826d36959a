SELECT consumer, beat, lease FROM consumers
