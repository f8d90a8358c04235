"""Search backends, a file each: the file's name is what params.yaml and the command line call it."""
