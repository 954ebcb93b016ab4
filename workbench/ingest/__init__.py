"""Getting data in: files of several forms, captures of exchanges, and a generator."""
