"""Which distros can run a release, and why the others cannot."""
