# Enterprise Linux, Fedora and Amazon Linux. Fedora 44 with Erlang/OTP of the distro, Elixir of the distro, made by pkgrel.
FROM fedora:44
ENV LANG=C.UTF-8
RUN dnf install -y \
        /usr/bin/curl ca-certificates diffutils findutils gawk gcc gcc-c++ git gzip make \
        openssh-clients tar unzip which xz \
        erlang \
        elixir \
        libpq-dev \
        'perl(JSON)' \
    && dnf clean all \
    && rm -rf /var/cache/dnf /var/log/*.log \
    && git config --system --add safe.directory '*'
