// Package differ plays the same sequences of packets to the model and to a kernel, and tells where the two
// differ: after every packet in verdict, direction, reason, and in every flow's state, status, timer, tuples,
// counters and TCP or SCTP particulars; at the end in the statistics.
//
//	found, err := differ.Check(differ.RunningKernel, differ.Options{}, 2000, next)
//
// The kernel is an [oracle.Tracker]: the running one, or one in a virtual machine. Many sequences run side by
// side, each between ends of its own ("lanes"), one packet of each at a time. An [oracle.Wait] or [oracle.Setting] in
// a sequence holds for all: it must stand at the same place in every sequence of a batch.
package differ

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/model"
	"ctkeeper/internal/conntrack/packet"
	"ctkeeper/internal/lab"
	"ctkeeper/internal/lab/oracle"
)

// Options are what a run happens under. The zero value is IPv4, the settings' defaults (but accounting on and
// log_invalid 255) and no helper.
type Options struct {
	Settings map[string]int64
	Helpers  []model.Helper
	V6       bool
	// Profile is the kernel's; the zero value is 6.18's.
	Profile model.Profile
	// Loaded are put into both tables first.
	Loaded []flow.Flow
	// Zones are the conntrack zones of IPv4 packets, by their type of service; the kernel's rules are the caller's.
	Zones map[byte]uint16
	// First is the number of the first lane.
	First int
}

// Bench is a kernel and the model side by side.
type Bench struct {
	Kernel oracle.Tracker
	Model  *model.Model
	o      Options
	d      *packet.Decoder
	zoned  map[byte]*packet.Decoder // by type of service
	clock  clock
	before map[string]uint64 // the kernel's counters when the model began
	port   uint16            // what the lanes' responders listen on
	kept   map[string]int64  // settings that a sequence changed, as they were
	// Torn counts steps whose tables could not be compared because somebody resized the machine's meanwhile.
	Torn int
}

// RunningKernel makes a namespace of the running kernel. Undisturbed, nobody changes what the machine's namespaces
// share until it is closed; who holds the machine's lock must not ask for that.
func RunningKernel(undisturbed bool) (oracle.Tracker, error) {
	if !undisturbed {
		return oracle.Open("differ")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Minute)
	defer cancel()
	m, err := lab.LockMachine(ctx, true)
	if err != nil {
		return nil, err
	}
	k, err := oracle.Open("differ")
	if err != nil {
		return nil, errors.Join(err, m.Unlock())
	}
	return &sharing{k, m}, nil
}

// sharing is the running kernel with a share of the machine.
type sharing struct {
	*oracle.Kernel
	machine *lab.Machine
}

// Close removes the namespace and gives the share back.
func (s *sharing) Close() error { return errors.Join(s.Kernel.Close(), s.machine.Unlock()) }

// Open brings a kernel without flows and a new model to the same settings. The caller closes the kernel.
func Open(k oracle.Tracker, o Options) (*Bench, error) {
	b := &Bench{Kernel: k, o: o, port: 80, d: packet.NewDecoder(packet.Options{Checksums: true, DCCP: o.Profile.DCCP})}
	b.zoned = map[byte]*packet.Decoder{}
	for tos, zone := range o.Zones {
		b.zoned[tos] = packet.NewDecoder(packet.Options{Checksums: true, Zone: zone})
	}
	for _, h := range o.Helpers {
		b.port = h.Port
		if err := k.Help(h.Kind.String(), h.Port); err != nil {
			return nil, err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(o.Settings)) {
		if err := k.Set(name, strconv.FormatInt(o.Settings[name], 10)); err != nil {
			return nil, err
		}
	}
	return b, b.begin()
}

// begin starts a new model beside a kernel without flows.
func (b *Bench) begin() (err error) {
	if b.o.Profile.Name == "" {
		b.o.Profile = model.Linux618()
	}
	s := model.Defaults(b.o.Profile)
	s.Acct, s.LogInvalid = true, 255
	for name, v := range b.o.Settings {
		if err := s.Set(name, v); err != nil {
			return err
		}
	}
	b.Model = model.New(model.Config{Profile: b.o.Profile, Settings: &s, Helpers: b.o.Helpers})
	b.clock, b.kept = newClock(), map[string]int64{}
	if b.before, err = b.Kernel.Counters(); err != nil {
		return err
	}
	return b.load()
}

// load puts the same flows into both tables.
func (b *Bench) load() error {
	if len(b.o.Loaded) == 0 {
		return nil
	}
	now := b.clock.now()
	created := now - 3e9 // the kernel knows no first packet of such a flow: UDP's two seconds are over
	for i := range b.o.Loaded {
		f := &b.o.Loaded[i]
		if !b.Model.Load(tuple(&f.Orig), tuple(&f.Reply), f.Status, f.State, created, now+int64(f.Timeout)*1e9) {
			return fmt.Errorf("the model does not take %v", f.Orig)
		}
	}
	return b.Kernel.Load(b.o.Loaded)
}

func tuple(f *flow.Tuple) packet.Tuple {
	t := packet.Tuple{Proto: uint8(f.Proto), Family: 6, SPort: f.SrcPort, DPort: f.DstPort, ICMPType: f.ICMPType, ICMPCode: f.ICMPCode, ICMPID: f.ICMPID}
	if f.Src.Is4() {
		t.Family = 4
		src, dst := f.Src.As4(), f.Dst.As4()
		copy(t.Src[:], src[:])
		copy(t.Dst[:], dst[:])
		return t
	}
	t.Src, t.Dst = f.Src.As16(), f.Dst.As16()
	return t
}

// Reset empties the kernel's table, puts its settings back, and starts a new model.
func (b *Bench) Reset() error {
	for name, v := range b.kept {
		if err := b.Kernel.Set(name, strconv.FormatInt(v, 10)); err != nil {
			return err
		}
	}
	return errors.Join(b.Kernel.Clear(), b.begin())
}

// Change changes a setting on both sides.
func (b *Bench) Change(name string, v int64) error {
	s := b.Model.Settings()
	if was, ok := s.Get(name); ok {
		if _, known := b.kept[name]; !known {
			b.kept[name] = was
		}
	}
	if err := s.Set(name, v); err != nil {
		return err
	}
	b.Model.Change(s)
	return b.Kernel.Set(name, strconv.FormatInt(v, 10))
}

// wait lets time pass on both sides, a little longer than asked when a timer would else come to within a second or two
// of its end, or of what the kernel compares it with: there the kernel's rounding would decide. UDP's rule of two seconds runs on the kernel's own clock, which cannot be
// moved: where it matters, more than two seconds of the time are really slept.
func (b *Bench) wait(d time.Duration, udp bool) error {
	time.Sleep(10 * time.Millisecond) // no timer stands at a whole second any more: see Tracker.Age
	if d > 0 {
		d = b.clear(d)
	}
	by := d
	if udp && d > sleeps {
		by -= sleeps
	}
	b.clock.aged()
	if err := b.Kernel.Age(by); err != nil {
		return err
	}
	if by != d {
		time.Sleep(sleeps + 100*time.Millisecond)
		b.clock.slept()
	}
	b.clock.pass(d)
	return nil
}

// clear makes a wait long enough that no timer comes near a threshold.
func (b *Bench) clear(d time.Duration) time.Duration {
	set := b.Model.Settings()
	unack, _ := set.Get("tcp_timeout_unacknowledged")
	thresholds := [...]int64{0, 120, unack}
	left := map[int64]bool{}
	b.Model.Flows(b.clock.now(), func(f *flow.Flow) bool { left[int64(f.Timeout)] = true; return true })
	for n := int64(d / time.Second); ; n++ {
		near := false
		for l := range left {
			for _, at := range thresholds {
				near = near || max(l-n-at, n+at-l) <= 3
			}
		}
		if !near {
			return time.Duration(n) * time.Second
		}
	}
}

// sleeps is the part of a wait that passes in truth when UDP is under way; shorter waits do not touch its rule.
const sleeps = 2 * time.Second

// lane is one sequence between ends of its own.
type lane struct {
	sequence []oracle.Packet
	talk     *oracle.Conversation
}

func (b *Bench) lanes(sequences [][]oracle.Packet) (lanes []lane, longest int) {
	lanes = make([]lane, len(sequences))
	for i := range lanes {
		from, to := Ends(i+b.o.First, b.o.V6)
		lanes[i] = lane{sequences[i], oracle.NewConversation(from, netip.AddrPortFrom(to.Addr(), b.port), uint32(i))}
		longest = max(longest, len(sequences[i]))
	}
	return lanes, longest
}

// Run plays the sequences and returns the first difference of each that has one; under [Batch] a difference of
// the statistics.
func (b *Bench) Run(sequences [][]oracle.Packet) (map[int]string, error) {
	lanes, longest := b.lanes(sequences)
	run := running{Bench: b, lanes: lanes, bad: map[int]string{}, udp: speaksUDP(sequences)}
	b.clock.begin(slices.ContainsFunc(sequences, waits))
	for step := range longest {
		if err := run.step(step); err != nil {
			return nil, fmt.Errorf("step %d: %w", step+1, err)
		}
	}
	return run.bad, run.statistics()
}

// From makes the next run's lanes begin with this number, so that they are new flows.
func (b *Bench) From(lane int) { b.o.First = lane }

// Compare compares both tables, the lanes' flows by lane, and the statistics.
func (b *Bench) Compare(lanes int) (map[int]string, error) {
	r := running{Bench: b, lanes: make([]lane, lanes), bad: map[int]string{}}
	if err := r.compareTables(0); err != nil {
		return nil, err
	}
	return r.bad, r.statistics()
}

// statistics notes a difference of the counters, when no sequence's explains it.
func (r *running) statistics() error {
	if len(r.bad) > 0 {
		return nil
	}
	diff, err := r.compareCounters()
	if diff != "" {
		r.bad[Batch] = diff
	}
	return err
}

// Batch is the key of a difference that is no single sequence's.
const Batch = -1

func waits(s []oracle.Packet) bool {
	return slices.ContainsFunc(s, func(p oracle.Packet) bool { _, ok := p.(oracle.Wait); return ok })
}

func speaksUDP(sequences [][]oracle.Packet) bool {
	return slices.ContainsFunc(sequences, func(s []oracle.Packet) bool {
		return slices.ContainsFunc(s, func(p oracle.Packet) bool { d, ok := p.(oracle.Datagram); return ok && d.Proto == 17 })
	})
}
