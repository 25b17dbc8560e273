package drill

import (
	"strings"
	"testing"

	"ctkeeper/internal/conntrack/settings"
)

func TestRoom(t *testing.T) {
	const gib = 1 << 30
	modern, short, old := settings.Kernel{Version: settings.V(6, 18)}, settings.Kernel{Version: settings.V(5, 15)}, settings.Kernel{Version: settings.V(4, 18)}
	for _, c := range []struct {
		name string
		room room
		want string // "" is allowed
	}{
		{"default", room{max: 262144, buckets: 262144, available: 8 * gib, kernel: modern}, ""},
		{"both full", room{max: 262144, held: 262144, buckets: 262144, available: 8 * gib, kernel: short}, ""},
		{"four a bucket, no limit", room{max: 262144, held: 262144, buckets: 65536, available: 8 * gib, kernel: old}, ""},
		{"four a bucket, short limit", room{max: 262144, held: 0, buckets: 65536, available: 8 * gib, kernel: short}, "8.0 long on average, and more than 4"},
		{"eight a bucket", room{max: 524288, buckets: 65536, available: 8 * gib, kernel: modern}, ""},
		{"eight a bucket, host full", room{max: 524288, held: 524288, buckets: 65536, available: 8 * gib, kernel: modern}, "32.0 long"},
		{"few buckets", room{max: 1 << 20, buckets: 16384, available: 8 * gib, kernel: modern}, "128.0 long"},
		{"unknown kernel", room{max: 1 << 20, buckets: 16384, available: 8 * gib}, "128.0 long"},
		{"memory", room{max: 1 << 20, buckets: 1 << 20, available: 700 << 20, kernel: modern}, "takes 384 MiB, and 700 MiB are available"},
		{"memory unknown", room{max: 1 << 20, buckets: 1 << 20, kernel: modern}, "0 MiB are available"},
		{"no limit", room{buckets: 1 << 20, available: 8 * gib}, "never full"},
		{"huge", room{max: 5 << 20, buckets: 5 << 20, available: 64 * gib}, "not filled in a minute"},
	} {
		switch err := c.room.check(); {
		case c.want == "" && err != nil:
			t.Errorf("%s: refused: %v", c.name, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
}
