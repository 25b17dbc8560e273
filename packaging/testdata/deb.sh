# The life of the Debian package, in a root of its own (root.sh).
export DEBIAN_FRONTEND=noninteractive
said() { cat /run/systemctl.log 2>/dev/null | tr '\n' ';'; rm -f /run/systemctl.log; }
cp /tmp/one /tmp/one.deb
apt-get install -qq -y /tmp/one.deb >/dev/null # as docs/install.md says
echo "installed: $(ctkeeper version | cut -d' ' -f2) $(said)"
ctkeeper serve --check
test -e /usr/share/man/man8/ctkeeper-serve.8.gz
test -e /usr/share/man/man7/ctkeeper-metrics.7.gz
test -e /usr/share/man/man5/ctkeeper.yaml.5.gz
echo 'interval: 2s' >>/etc/ctkeeper/ctkeeper.yaml
dpkg -i /tmp/two >/dev/null
echo "upgraded: $(ctkeeper version | cut -d' ' -f2) $(tail -n 1 /etc/ctkeeper/ctkeeper.yaml); $(said)"
mkdir -p /var/lib/ctkeeper/journal
touch /var/lib/ctkeeper/history.db /var/lib/ctkeeper/history.db-wal /var/lib/ctkeeper/journal/1
dpkg -r ctkeeper >/dev/null
echo "removed: $(ls /usr/bin/ctkeeper /var/lib/ctkeeper/history.db /etc/ctkeeper/ctkeeper.yaml 2>/dev/null | tr '\n' ' ')$(said)"
dpkg -P ctkeeper >/dev/null
echo "purged: $(said)"
