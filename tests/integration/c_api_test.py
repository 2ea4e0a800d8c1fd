# SPDX-License-Identifier: Apache-2.0
"""The C example, built as its first lines say: against what `meson install` puts down, found by
pkg-config. It is run twice on one directory."""
import os
import subprocess
import sys
import tempfile


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, **options)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def install(build, prefix):
    """Installs and returns the environment in which pkg-config finds it."""
    run("meson", "install", "-C", build, "--no-rebuild", "--quiet", env={**os.environ, "DESTDIR": prefix})
    found = [folder for folder, _, names in os.walk(prefix) if "attune.pc" in names]
    assert len(found) == 1, found
    return {**os.environ, "PKG_CONFIG_PATH": found[0], "PKG_CONFIG_SYSROOT_DIR": prefix}


def flags(environment):
    """The system's own folders are not below the prefix, so their flags are taken as they are."""
    words = run("pkg-config", "--cflags", "--libs", "--static", "attune", env=environment).split()
    prefix = environment["PKG_CONFIG_SYSROOT_DIR"]
    return [word for word in words if not word.startswith(f"-I{prefix}/usr/include") or "attune" in word]


def main():
    build, source = sys.argv[1:3]
    example = os.path.join(source, "examples", "c")
    with tempfile.TemporaryDirectory() as folder:
        environment = install(build, os.path.join(folder, "root"))
        shop = os.path.join(folder, "shop")
        run("cc", "-Wall", "-Wextra", "-Werror", os.path.join(example, "shop.c"), *flags(environment), "-o", shop)
        data = os.path.join(folder, "data")
        for expected in ("durable: 2 events", "durable: 0 events"):
            shown = run(shop, data, os.path.join(example, "shop.yaml"))
            assert expected in shown, shown
            assert shown.count("free delivery") == 2, shown
            assert shown.count("shown, and told again") == 2, shown
    print("built by pkg-config, run twice")


main()
