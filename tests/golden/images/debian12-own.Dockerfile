# Debian and Ubuntu. Debian 12 with Erlang/OTP 25.2.3, Elixir 1.14.0, made by pkgrel.
FROM debian:bookworm
ENV LANG=C.UTF-8
RUN export DEBIAN_FRONTEND=noninteractive \
    && apt-get update -qq \
    && apt-get install -qq --yes --no-install-recommends \
        build-essential ca-certificates curl git openssh-client unzip \
        erlang-nox erlang-dev \
        elixir \
        libpq-dev \
        'perl(JSON)' \
    && apt-get clean \
    && rm -rf /var/lib/apt/lists/* /var/log/apt /var/log/dpkg.log /var/cache/debconf/*-old \
    && git config --system --add safe.directory '*'
