"""A model of Linux's compaction, to be read beside the C: import kitlib as kl."""
