# {{ name }} {{ version }} as a module of NixOS, written by `pkgrel nix` from {{ file }}: its files, its unit, its user.
#
#   imports = [ ./{{ name }}.nix ];
#   services."{{ name }}" = { enable = true; environment.PHX_HOST = "example.org"; environmentFile = "/run/keys/{{ name }}"; };
{ config, lib, pkgs, ... }:

let
  cfg = config.services.{{ attribute }};

  package = pkgs.stdenv.mkDerivation {
    pname = {{ nix(name) }};
    version = {{ nix(version) }};
    src = cfg.src;
    nativeBuildInputs = [ pkgs.dpkg pkgs.autoPatchelfHook ];
    # What Erlang and most NIFs are linked with; others: services.NAME.libraries.
    buildInputs = [ pkgs.stdenv.cc.cc.lib pkgs.ncurses pkgs.openssl pkgs.zlib pkgs.systemd ] ++ cfg.libraries;
    unpackPhase = "dpkg-deb --fsys-tarfile $src | tar --extract --no-same-owner --no-same-permissions";
    dontConfigure = true;
    dontBuild = true;
    dontStrip = true;
    installPhase = ''
      mkdir -p $out/bin
      mv usr $out/
      ln -s $out/usr/bin/{{ name }} $out/bin/{{ name }}
      # Scripts name each other, the release, and a PATH that NixOS does not have.
      grep -rlIZ -e {% for path in paths %}'{{ path }}' -e {% endfor %}'/usr/sbin:/usr/bin' $out/usr | xargs -0 -r sed -i \
{% for path in paths %}
        -e "s#{{ path }}\([^a-zA-Z0-9.+-]\|$\)#$out{{ path }}\1#g" \
{% endfor %}
        -e 's#\(/usr/local/sbin:/usr/local/bin:\)\?/usr/sbin:/usr/bin:/sbin:/bin#/run/wrappers/bin:/run/current-system/sw/bin#g'
    '';
  };
in
{
  options.services.{{ attribute }} = {
    enable = lib.mkEnableOption {{ nix(description) }};
    src = lib.mkOption {
      type = lib.types.path;
      default = ./. + {{ nix("/" ~ file) }};
      description = "The package that `pkgrel build` has made.";
    };
    environment = lib.mkOption {
      type = lib.types.attrsOf lib.types.str;
      default = { };
      description = "Variables of the service, in place of the package's own. Everybody on the machine can read them.";
    };
    environmentFile = lib.mkOption {
      type = lib.types.nullOr lib.types.str;
      default = null;
      description = "A file with more of them, for secrets.";
    };
    libraries = lib.mkOption {
      type = lib.types.listOf lib.types.package;
      default = [ ];
      description = "Packages with shared libraries that a NIF needs.";
    };
  };

  config = lib.mkIf cfg.enable {
    environment.systemPackages = [ package ];
{% if user != "root" %}
    users.users.{{ nix(user) }} = {
      isSystemUser = true;
      group = {{ nix(group) }};
      home = {{ nix("/var/lib/" ~ name) }};
      description = {{ nix(name ~ " service") }};
    };
    users.groups.{{ nix(group) }} = { };
{% endif %}
    # root's, where the secrets are made at the first start.
    systemd.tmpfiles.rules = [ {{ nix("d /etc/" ~ name ~ " 0755 root root -") }} ];
    systemd.services.{{ attribute }} = {
      description = {{ nix(description) }};
      wantedBy = [ "multi-user.target" ];
      unitConfig = {
{% for key, values in unit.items() %}
        {{ key }} = [ {% for value in values %}{{ nix(value) }} {% endfor %}];
{% endfor %}
      };
      serviceConfig = {
{% for key, values in service.items() %}
{% if key == "Environment" %}
        # Those of the configuration come behind the package's own, and so in their place.
        Environment = [
{% for value in values %}
          {{ located(value) }}
{% endfor %}
        ] ++ map (name: builtins.toJSON "${name}=${builtins.replaceStrings [ "%" ] [ "%%" ] cfg.environment.${name}}")
          (builtins.attrNames cfg.environment);
{% elif values | length == 1 and key not in ("EnvironmentFile", "ExecStartPre") %}
        {{ key }} = {{ located(values[0]) }};
{% else %}
        {{ key }} = [ {% for value in values %}{{ located(value) }} {% endfor %}]
{%- if key == "EnvironmentFile" %}
 ++ lib.optional (cfg.environmentFile != null) cfg.environmentFile
{%- endif %};
{% endif %}
{% endfor %}
      };
    };
  };
}
