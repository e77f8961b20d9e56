# Debian and Ubuntu. Debian 12 with Erlang/OTP 27.3.4, Elixir 1.18.4, Node.js 22, made by pkgrel.
FROM debian:bookworm
ENV LANG=C.UTF-8
RUN export DEBIAN_FRONTEND=noninteractive \
    && apt-get update -qq \
    && apt-get install -qq --yes --no-install-recommends \
        build-essential ca-certificates curl git openssh-client unzip \
        libssl-dev libncurses-dev libsctp-dev unixodbc-dev \
        libpq-dev \
        'perl(JSON)' \
    && apt-get clean \
    && rm -rf /var/lib/apt/lists/* /var/log/apt /var/log/dpkg.log /var/cache/debconf/*-old \
    && git config --system --add safe.directory '*'
ARG HEX_BUILDS_URL=https://builds.hex.pm
ARG OTP_GITHUB_URL=https://github.com/erlang/otp
ARG NODEJS_ORG_MIRROR=https://nodejs.org/dist
COPY download elixir erlang nodejs /usr/local/lib/pkgrel/
RUN /usr/local/lib/pkgrel/erlang 27.3.4 ubuntu-22.04
RUN /usr/local/lib/pkgrel/elixir 1.18.4
RUN /usr/local/lib/pkgrel/nodejs 22
