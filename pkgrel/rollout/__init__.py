"""Roll-outs: one version to many hosts, by OpenSSH and the hosts' own package managers."""
