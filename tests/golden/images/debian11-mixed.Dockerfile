# Debian and Ubuntu. Debian 11 with Erlang/OTP 23.2.6, Elixir 1.11.4, made by pkgrel.
FROM debian:bullseye
ENV LANG=C.UTF-8
RUN export DEBIAN_FRONTEND=noninteractive \
    && apt-get update -qq \
    && apt-get install -qq --yes --no-install-recommends \
        build-essential ca-certificates curl git openssh-client unzip \
        erlang-nox erlang-dev \
        libpq-dev \
        'perl(JSON)' \
    && apt-get clean \
    && rm -rf /var/lib/apt/lists/* /var/log/apt /var/log/dpkg.log /var/cache/debconf/*-old \
    && git config --system --add safe.directory '*'
ARG HEX_BUILDS_URL=https://builds.hex.pm
ARG OTP_GITHUB_URL=https://github.com/erlang/otp
ARG NODEJS_ORG_MIRROR=https://nodejs.org/dist
COPY download elixir /usr/local/lib/pkgrel/
RUN /usr/local/lib/pkgrel/elixir 1.11.4
