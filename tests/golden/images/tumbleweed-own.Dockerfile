# openSUSE and SUSE Linux Enterprise. openSUSE Tumbleweed rolling with Erlang/OTP of the distro, Elixir of the distro, made by pkgrel.
FROM opensuse/tumbleweed:latest
ENV LANG=C.UTF-8
RUN zypper --non-interactive install --no-recommends \
        ca-certificates-mozilla curl diffutils findutils gawk gcc gcc-c++ git-core gzip make \
        openssh-clients tar unzip which xz \
        erlang \
        elixir \
        libpq-dev \
        'perl(JSON)' \
    && zypper clean --all \
    && rm -rf /var/log/zypper.log /var/log/zypp \
    && git config --system --add safe.directory '*'
