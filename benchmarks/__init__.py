"""pkgrel beside its peers in one run, against the budgets: `script/bench`.

It is a measurement and never a test: timings depend on the machine, so it fails only where
something could not be run.
"""
