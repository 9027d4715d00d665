# SPDX-License-Identifier: GPL-2.0-or-later
# Sourced by scripts/run and scripts/test: installs what a fresh Debian 12
# lacks and configures the build directory $BUILD (default: build).
# Variables: BUILD, SETUP_ARGS (for `meson setup`), NO_INSTALL=1.

BUILD=${BUILD:-build}

PACKAGES="gcc libc6-dev meson ninja-build pkg-config python3 libglib2.0-dev
libpixman-1-dev zlib1g-dev libvncserver-dev libaio-dev libslirp-dev
libgnutls28-dev liburing-dev libzstd-dev libisal-dev libdeflate-dev
libseccomp-dev libsasl2-dev libpng-dev libcapstone-dev libxkbcommon-dev
libcap-ng-dev seabios"

install_packages() {
    command -v dpkg-query >/dev/null 2>&1 || return 0
    [ -z "${NO_INSTALL:-}" ] || return 0
    missing=
    for p in $PACKAGES; do
        case $(dpkg-query -W -f '${Status}' "$p" 2>/dev/null) in
        "install ok installed") ;;
        *) missing="$missing $p" ;;
        esac
    done
    [ -n "$missing" ] || return 0
    root=
    if [ "$(id -u)" != 0 ]; then
        root=sudo
    fi
    echo "installing:$missing" >&2
    $root env DEBIAN_FRONTEND=noninteractive apt-get update -q >&2 || true
    # shellcheck disable=SC2086 # word splitting is meant
    if ! $root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q \
        --no-install-recommends $missing >&2; then
        echo "cannot install:$missing" >&2
        return 1
    fi
}

# Configures $BUILD once and builds it; the log is shown only on failure.
build_tree() {
    if [ ! -f "$BUILD/build.ninja" ]; then
        if command -v ccache >/dev/null 2>&1; then
            CC=${CC:-ccache gcc}
            export CC
        fi
        # shellcheck disable=SC2086
        meson setup "$BUILD" ${SETUP_ARGS:-} >&2 || return 1
    fi
    log=$BUILD/build.log
    if ! ninja -C "$BUILD" >"$log" 2>&1; then
        grep -E -A8 'FAILED|error' "$log" | head -60 >&2
        echo "the build failed; all of it is in $log" >&2
        return 1
    fi
}

# A guest from Debian's packages, once, in the build directory: the cloud kernel
# and an initrd with BusyBox.  Needs cpio and busybox-static.
make_guest() {
    guest=$BUILD/guest
    if [ ! -s "$guest/vmlinuz" ] || [ ! -s "$guest/initrd.gz" ]; then
        rm -rf "$guest"
        mkdir -p "$guest/root/bin" "$guest/deb" || return 1
        kernel=$(apt-cache depends linux-image-cloud-amd64 2>/dev/null |
            sed -n 's/.*Depends: \(linux-image-[^ ]*\).*/\1/p' | head -n 1)
        if [ -z "$kernel" ]; then
            ${root:-} apt-get update -q >&2
            kernel=$(apt-cache depends linux-image-cloud-amd64 |
                sed -n 's/.*Depends: \(linux-image-[^ ]*\).*/\1/p' | head -n 1)
        fi
        if ! (cd "$guest/deb" && apt-get download "$kernel" >&2) ||
            ! dpkg-deb -x "$guest"/deb/*.deb "$guest/deb/x" ||
            ! mv "$guest"/deb/x/boot/vmlinuz-* "$guest/vmlinuz"; then
            echo "cannot get Debian's cloud kernel ($kernel)" >&2
            return 1
        fi
        mkdir "$guest/modules" &&
            for m in button evdev scsi_common scsi_mod libata ata_piix; do
                find "$guest/deb/x/lib/modules" -name "$m.ko" \
                    -exec mv {} "$guest/modules/" \;
            done
        cp "$(command -v busybox)" "$guest/root/bin/busybox" || return 1
        cat > "$guest/root/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox --install -s /bin
mkdir -p /proc /sys /dev
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
echo
echo "Linux $(uname -r) on $(nproc) CPU(s). 'poweroff -f' ends it."
# A shell of its own for the screen, unless the console is the screen: two on
# one keyboard would share its keys.
case $(cat /sys/class/tty/console/active) in
*ttyS*) setsid sh -c 'exec sh < /dev/tty1 > /dev/tty1 2>&1' & ;;
esac
exec setsid cttyhack sh
INIT
        chmod +x "$guest/root/init"
        (cd "$guest/root" && find . | cpio -o -H newc 2>/dev/null | gzip -9) \
            > "$guest/initrd.gz" || return 1
        rm -rf "$guest/deb" "$guest/root"
    fi
}
