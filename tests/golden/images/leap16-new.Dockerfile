# openSUSE and SUSE Linux Enterprise. openSUSE Leap 16.0 with Erlang/OTP 27.3.4, Elixir 1.18.4, Node.js 22, made by pkgrel.
FROM opensuse/leap:16.0
ENV LANG=C.UTF-8
RUN zypper --non-interactive install --no-recommends \
        ca-certificates-mozilla curl diffutils findutils gawk gcc gcc-c++ git-core gzip make \
        openssh-clients tar unzip which xz \
        libopenssl-devel ncurses-devel perl \
        libpq-dev \
        'perl(JSON)' \
    # Not every edition has these.
    && for package in lksctp-tools-devel unixODBC-devel; do \
        zypper --non-interactive install --no-recommends "$package" \
            || echo "pkgrel: no $package here"; \
    done \
    && zypper clean --all \
    && rm -rf /var/log/zypper.log /var/log/zypp \
    && git config --system --add safe.directory '*'
ARG HEX_BUILDS_URL=https://builds.hex.pm
ARG OTP_GITHUB_URL=https://github.com/erlang/otp
ARG NODEJS_ORG_MIRROR=https://nodejs.org/dist
COPY download elixir erlang nodejs /usr/local/lib/pkgrel/
RUN /usr/local/lib/pkgrel/erlang 27.3.4
RUN /usr/local/lib/pkgrel/elixir 1.18.4
RUN /usr/local/lib/pkgrel/nodejs 22
