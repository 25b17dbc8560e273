#!/bin/sh
# Runs a script in a copy of this machine that nothing outside sees: an overlay over / whose upper half is a
# tmpfs, in a mount namespace of its own. It prints what the script says, and then the files that it left.
#
#   unshare --mount sh root.sh SCRIPT PACKAGE-1 PACKAGE-2
set -eu
script=$1 one=$2 two=$3
here=$(mktemp -d)
mount --make-rprivate /
mount -t tmpfs none "$here"
mkdir "$here/upper" "$here/work" "$here/root" "$here/in"
cp "$script" "$here/in/script"
cp "$one" "$here/in/one"
cp "$two" "$here/in/two"
mount -t overlay overlay -o "lowerdir=/,upperdir=$here/upper,workdir=$here/work" "$here/root"
mount -t proc proc "$here/root/proc"
mount -t tmpfs none "$here/root/run"
mount -t tmpfs none "$here/root/tmp"
cp "$here"/in/* "$here/root/tmp/"
# A systemctl that notes what it is asked for, where systemd seems to run.
mkdir -p "$here/root/run/systemd/system"
printf '#!/bin/sh\necho "systemctl $*" >>/run/systemctl.log\n' >"$here/in/systemctl"
chmod +x "$here/in/systemctl"
mount --bind "$here/in/systemctl" "$(readlink -f "$here/root/usr/bin/systemctl")"
chroot "$here/root" sh -eu /tmp/script
echo "left:"
cd "$here/upper"
find . ! -type d | grep -v -e '^./var/lib/dpkg/' -e '^./var/lib/rpm/' -e '^./var/lib/apt/' -e '^./var/log/' -e '^./var/cache/' -e '^./dev/' | sort
