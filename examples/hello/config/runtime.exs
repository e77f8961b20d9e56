import Config

# With `listen` in pkgrel.toml systemd listens, and hands the socket over as file descriptor 3.
http =
  if System.get_env("LISTEN_FDS"),
    do: [port: 0, socket: [:inet6, fd: 3]],
    else: [port: String.to_integer(System.get_env("PORT", "4000")), socket: []]

# systemd sets STATE_DIRECTORY for a unit with StateDirectory=.
config :hello,
  http: http,
  greeting: System.get_env("GREETING", "Hello"),
  state_dir: System.get_env("STATE_DIRECTORY") || System.get_env("HOME", ".")
