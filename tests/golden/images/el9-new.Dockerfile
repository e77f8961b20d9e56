# Enterprise Linux, Fedora and Amazon Linux. Enterprise Linux 9 with Erlang/OTP 27.3.4, Elixir 1.18.4, Node.js 22, made by pkgrel.
FROM almalinux:9
ENV LANG=C.UTF-8
RUN dnf install -y \
        /usr/bin/curl ca-certificates diffutils findutils gawk gcc gcc-c++ git gzip make \
        openssh-clients tar unzip which xz \
        ncurses-devel openssl-devel perl \
        libpq-dev \
        'perl(JSON)' \
    # Not every edition has these.
    && for package in lksctp-tools-devel unixODBC-devel; do \
        dnf install -y "$package" || echo "pkgrel: no $package here"; \
    done \
    && dnf clean all \
    && rm -rf /var/cache/dnf /var/log/*.log \
    && git config --system --add safe.directory '*'
ARG HEX_BUILDS_URL=https://builds.hex.pm
ARG OTP_GITHUB_URL=https://github.com/erlang/otp
ARG NODEJS_ORG_MIRROR=https://nodejs.org/dist
COPY download elixir erlang nodejs /usr/local/lib/pkgrel/
RUN /usr/local/lib/pkgrel/erlang 27.3.4
RUN /usr/local/lib/pkgrel/elixir 1.18.4
RUN /usr/local/lib/pkgrel/nodejs 22
