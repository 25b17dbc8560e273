package drill

import (
	"context"
	"errors"
	"fmt"

	"ctkeeper/internal/conntrack/settings"
	"ctkeeper/internal/host/collect"
)

// largest is the max that is filled in well under a minute.
const largest = 4 << 20

// ResourceError is a machine on which a rehearsal would do harm.
type ResourceError struct {
	Max             int64
	Need, Available uint64 // bytes, when it is the memory
	// Chain is how many flows a bucket of the machine's hash table would hold on average, and ChainMax how many
	// are harmless, when it is the hash table.
	Chain, ChainMax float64
}

// Error says what is missing.
func (e *ResourceError) Error() string {
	switch {
	case e.Need > 0:
		return fmt.Sprintf("a full table of %d flows takes %d MiB, and %d MiB are available: a rehearsal leaves half of it free", e.Max, e.Need>>20, e.Available>>20)
	case e.Chain > 0:
		return fmt.Sprintf("%d more flows would make the chains of the hash table, which all namespaces share, %.1f long on average, and more than %g slows down or refuses this host's own connections", e.Max, e.Chain, e.ChainMax)
	case e.Max <= 0:
		return "max is 0, which is no limit: such a table is never full"
	}
	return fmt.Sprintf("max is %d: a table of that size is not filled in a minute", e.Max)
}

// checkRoom refuses where the memory or the hash table does not allow it.
func (d *drill) checkRoom(ctx context.Context) error {
	s, err := collect.Live(ctx, collect.Options{Namespaces: "all", NoFlows: true, NoLog: true, NoLimits: true, Interval: -1})
	if err != nil {
		return err
	}
	if s.Machine.Max == nil || s.Machine.Buckets == nil {
		return errors.New("nf_conntrack_max or nf_conntrack_buckets cannot be read: is the module loaded?")
	}
	r := room{max: *s.Machine.Max, buckets: *s.Machine.Buckets, available: s.Host.MemAvailable}
	r.kernel, _ = settings.ParseKernel(s.Host.Kernel)
	for i := range s.Namespaces {
		n, _ := s.Namespaces[i].Count() // one that cannot be read adds nothing
		r.held += n
	}
	d.r.Max, d.r.Memory = r.max, r.memory()
	return r.check()
}

// room is what a rehearsal takes from the machine.
type room struct {
	max, buckets int64
	held         int64  // flows of all namespaces that were seen
	available    uint64 // bytes
	kernel       settings.Kernel
}

func (r room) memory() uint64 { return uint64(max(r.max, 0)) * settings.FlowBytes(r.kernel) }

func (r room) check() error {
	if r.max <= 0 || r.max > largest {
		return &ResourceError{Max: r.max}
	}
	if need := r.memory(); need > r.available/2 {
		return &ResourceError{Max: r.max, Need: need, Available: r.available}
	}
	// Each flow stands in two chains, and the hash table is one for all namespaces.
	chain := 2 * float64(r.max+r.held) / float64(max(r.buckets, 1))
	if most := chainMax(r.kernel); chain > most {
		return &ResourceError{Max: r.max, Chain: chain, ChainMax: most}
	}
	return nil
}

// chainMax is the average length of chains at which the kernel refuses next to nobody for a chain that is too
// long: the limit is drawn from 8 to 31 in Linux 5.15 to 6.0 and from 50 to 79 later; before there is none, and
// only the walk takes longer.
func chainMax(k settings.Kernel) float64 {
	if k.Known() && k.Version >= settings.V(5, 15) && k.Version < settings.V(6, 1) {
		return 4
	}
	return 20
}
