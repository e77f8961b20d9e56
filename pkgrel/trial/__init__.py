"""Tests packages on throwaway hosts: installs, starts, kills, upgrades and removes them."""
