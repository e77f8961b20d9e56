"""Packages tried on hosts that nobody will miss: installed, started, killed, upgraded, removed."""
