"""What each layer is elsewhere: a file for each file of layers."""
