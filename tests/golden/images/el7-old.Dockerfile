# Enterprise Linux, Fedora and Amazon Linux. Enterprise Linux 7 with Erlang/OTP 24.3.4.17, Elixir 1.14.5, made by pkgrel.
FROM quay.io/centos/centos:centos7
ENV LANG=en_US.UTF-8
# No longer on the mirrors.
RUN sed -i -e 's|^mirrorlist=|#mirrorlist=|' \
        -e 's|^#* *baseurl=http://mirror.centos.org|baseurl=http://vault.centos.org|' \
        /etc/yum.repos.d/CentOS-*.repo
RUN yum install -y \
        /usr/bin/curl ca-certificates diffutils findutils gawk gcc gcc-c++ git gzip make \
        openssh-clients tar unzip which xz \
        ncurses-devel openssl-devel perl \
        libpq-dev \
        'perl(JSON)' \
    # Not every edition has these.
    && for package in lksctp-tools-devel unixODBC-devel; do \
        yum install -y "$package" || echo "pkgrel: no $package here"; \
    done \
    && yum clean all \
    && rm -rf /var/cache/yum /var/log/*.log \
    && git config --system --add safe.directory '*'
ARG HEX_BUILDS_URL=https://builds.hex.pm
ARG OTP_GITHUB_URL=https://github.com/erlang/otp
ARG NODEJS_ORG_MIRROR=https://nodejs.org/dist
COPY download elixir erlang /usr/local/lib/pkgrel/
RUN /usr/local/lib/pkgrel/erlang 24.3.4.17
RUN /usr/local/lib/pkgrel/elixir 1.14.5
