"""OpenPGP signatures of repositories and packages."""
