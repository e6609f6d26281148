"""The native pass: captures of memray go in, what was live at each point comes out, with the native function."""
