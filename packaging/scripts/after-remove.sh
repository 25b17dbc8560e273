#!/bin/sh
# After removal. The history goes with dpkg's "purge" and rpm's last removal (0). What an operator did stays: an
# edited configuration under rpm, flow records, and the journal that `ctkeeper undo` reads.
set -e
case "$1" in
purge | 0)
  for state in /var/lib/ctkeeper /var/lib/private/ctkeeper; do
    rm -f "$state"/history.db*
    [ -L "$state" ] || rmdir "$state" 2>/dev/null || true
  done
  if [ -L /var/lib/ctkeeper ] && [ ! -e /var/lib/ctkeeper ]; then rm -f /var/lib/ctkeeper; fi
  rmdir /etc/ctkeeper 2>/dev/null || true
  ;;
esac
[ -d /run/systemd/system ] || exit 0
systemctl daemon-reload
