package diagnose

import (
	"time"

	"ctkeeper/internal/conntrack/settings"
)

// Thresholds. Each says where it comes from; docs/findings.md repeats them for users.
const (
	// fillingShare: node-mixin warns above 0.75, awesome-prometheus-alerts above 0.8.
	fillingShare = 0.75
	// nearFullShare: the kernel's garbage collector starts its own early drop at 95 % of max; netdata's
	// critical alarm is 95 % too.
	nearFullShare = 0.95
	// atMaxShare: under refusal the count swings just below max, as expired flows are reaped in between.
	atMaxShare = 0.98
	// soonFull is how near a full table must be to warn below fillingShare: time to type a command.
	soonFull = 10 * time.Minute
	// soonShare keeps small fast swings of a mostly empty table from being called filling.
	soonShare = 0.5
	// soonRise is the least rise between two readings, as a share of count, that counts as growth.
	soonRise = 0.01
	// evictSafe is the refusal probability below which early drop keeps a full table usable.
	evictSafe = 0.01
	// evictUnlikely is the refusal probability from which eviction mostly fails.
	evictUnlikely = 0.5
	// nodesScanned: early drop looks at 8 buckets and each flow is in two chains, so 16·U/B nodes
	// (Linux 4.19 and later, nf_conntrack_core.c).
	nodesScanned = 16.0
	// entriesScanned: before 4.9 early drop looked at about 8 flows.
	entriesScanned = 8
	// hiddenShare: a dump that shows less than this share of count hides flows that still count.
	hiddenShare = 0.5
	// hiddenLeast keeps small tables, where a few expired flows are a large share, out of that.
	hiddenLeast = 1000
)

// What fills the table.
const (
	// contentsShare: below this occupancy nobody needs to know what fills the table.
	contentsShare = 0.5
	// halfOpenShare of max held by half-open TCP flows is a flood: at default timeouts (120 s and 60 s)
	// that many handshakes do not stay open by themselves.
	halfOpenShare = 0.25
	// singleShare of max held by one address: it alone brings the table to contentsShare.
	singleShare = 0.5
	// singleOfFilling is the same for a table that fills: half of all flows.
	singleOfFilling = 0.5
	// topShare: an address that holds less of the table explains nothing.
	topShare = 0.02
	// staleShare of all flows being established and idle for over a day.
	staleShare = 0.2
	// staleIdle: kube-proxy's, MikroTik's and Cisco's established timeout is one day.
	staleIdle = 86400
	// closeWaitShare of all flows in CLOSE_WAIT: kube-proxy's 3600 s for it fills tables.
	closeWaitShare = 0.25
	// natPortsShare of the ports of one address (1024 to 65535) towards one destination.
	natPortsShare = 0.9
	// natPorts is how many source ports the kernel's NAT picks from for one address.
	natPorts = 65535 - 1024 + 1
)

// Counters, a second. Below these a busy healthy host has them too.
const (
	insertFailedRate = 1.0
	invalidRate      = 100.0
	// natSearchRate: tuples found taken while the NAT looks for a free port.
	natSearchRate = 1000.0
	// insertFailedSinceBoot and invalidSinceBoot are averages over the whole uptime.
	insertFailedSinceBoot = 0.2
	invalidSinceBoot      = 50.0
	// shortUptime: an average over less time says nothing.
	shortUptime = 600
	// dropsUnexplained since boot that no clash explains: the table was probably full.
	dropsUnexplained = 100
)

// Sizes and timeouts.
const (
	// bucketsRatio: the largest max / buckets that the kernel itself ever chooses (hashsize= at load).
	bucketsRatio = 8
	// chainMean is the mean chain length from which lookups are slow: the kernel aims at 2.
	chainMean = 16.0
	// memoryShare of RAM for a full table: past twice the budget of a plan it is an alarm.
	memoryShare = 2.0 / settings.MemoryShare
	// extensionBytes: the block of extensions beside each flow, kmalloc-128 since 4.14.
	extensionBytes = 128
	bucketBytes    = 8
	// keepaliveDefault and its parts are the kernel's TCP keepalive: 7200 s, 9 probes, 75 s apart.
	keepaliveTime     = 7200
	keepaliveProbes   = 9
	keepaliveInterval = 75
)

// The log.
const (
	// logNow: a line this young is of what happens now.
	logNow = time.Minute
	// logRecent: a full table this long ago is still to be cured; longer ago it is history.
	logRecent = 7 * 24 * time.Hour
	// logLookAlike: other limits' messages count for a day.
	logLookAlike = 24 * time.Hour
)

// logNamespaces is how many lost namespaces' messages are shown.
const logNamespaces = 3

// Other limits.
const (
	limitNear = 0.9
	limitHit  = 0.98
	// listenRate and listenSinceBoot: a restart of a server overflows a little; a full backlog does
	// it all the time.
	listenRate      = 1.0
	listenSinceBoot = 0.1
)
