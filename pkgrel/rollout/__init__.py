"""Roll-outs of one version to many hosts, with OpenSSH and the hosts' package managers."""
