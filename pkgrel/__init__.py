"""Native .deb and .rpm packages, and their repositories, from Erlang and Elixir releases."""

__version__ = "0.1.0"
