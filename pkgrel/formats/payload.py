"""Payloads: the release tree is compressed once, each package adds a small tail.

    with Payloads() as payloads:
        payload = payloads.pack(package, framing)
        ... payload.size, payload.sha256 ...
        payload.copy_to(out)

A framing (tar, cpio) turns entries into bytes, a compressor (zstd, xz, gzip) makes them smaller.
Packages that agree in framing, compressor, level and tree share the compressed tree; what is
behind it must continue *the same* zstd frame, xz stream or gzip member, because dpkg silently
installs only the first one's files. `docs/architecture.md` has the measurements.
"""
