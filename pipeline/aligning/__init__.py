"""Documents of two languages, sentence by sentence: which of one side translate which of the other, in order."""
