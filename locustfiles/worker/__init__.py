"""The master's orders go in; requests are sent, and counted each second, to be reported."""
