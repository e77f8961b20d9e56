# Debian and Ubuntu. Debian 10 with Erlang/OTP 21.2.6, Elixir 1.7.1, Node.js 10.24.0, made by pkgrel.
FROM debian:buster
ENV LANG=C.UTF-8
# No longer on the mirrors.
RUN sed -i -e 's|http://deb.debian.org/debian|http://archive.debian.org/debian|' \
        -e 's|http://security.debian.org/debian-security|http://archive.debian.org/debian-security|' \
        /etc/apt/sources.list \
    && echo 'Acquire::Check-Valid-Until "false";' >/etc/apt/apt.conf.d/99archived
RUN export DEBIAN_FRONTEND=noninteractive \
    && apt-get update -qq \
    && apt-get install -qq --yes --no-install-recommends \
        build-essential ca-certificates curl git openssh-client unzip \
        erlang-nox erlang-dev \
        elixir \
        nodejs npm \
        libpq-dev \
        'perl(JSON)' \
    && apt-get clean \
    && rm -rf /var/lib/apt/lists/* /var/log/apt /var/log/dpkg.log /var/cache/debconf/*-old \
    && git config --system --add safe.directory '*'
