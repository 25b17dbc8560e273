# The life of the RPM package, in a root of its own (root.sh). This machine's libraries are no RPMs: --nodeps.
export HOME=/tmp # where this machine's rpm keeps its database
said() { cat /run/systemctl.log 2>/dev/null | tr '\n' ';'; rm -f /run/systemctl.log; }
rpm -i --nodeps /tmp/one
echo "installed: $(ctkeeper version | cut -d' ' -f2) $(said)"
ctkeeper serve --check
test -e /usr/share/man/man8/ctkeeper-serve.8.gz
test -e /usr/share/man/man7/ctkeeper-metrics.7.gz
test -e /usr/share/man/man5/ctkeeper.yaml.5.gz
echo 'interval: 2s' >>/etc/ctkeeper/ctkeeper.yaml
rpm -U --nodeps /tmp/two
echo "upgraded: $(ctkeeper version | cut -d' ' -f2) $(tail -n 1 /etc/ctkeeper/ctkeeper.yaml); $(said)"
mkdir -p /var/lib/ctkeeper/journal
touch /var/lib/ctkeeper/history.db /var/lib/ctkeeper/history.db-wal /var/lib/ctkeeper/journal/1
rpm -e ctkeeper 2>&1 | grep -v "^rpm: "
echo "removed: $(ls /usr/bin/ctkeeper /var/lib/ctkeeper/history.db 2>/dev/null | tr '\n' ' ')$(said)"
