"""The master's messages go in; requests are sent, and the counts of each second come out."""
