"""Signed apt and yum repositories in an object store or a local directory."""
