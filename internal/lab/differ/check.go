package differ

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"ctkeeper/internal/lab/oracle"
)

// Divergence is a sequence, as short as it could be made, after which model and kernel differ.
type Divergence struct {
	Case
	What string
}

// String is the divergence as a test prints it: the case as a file of it would read, and what differs.
func (d Divergence) String() string { return d.What + "\n" + d.Format() }

// Found is what a check found.
type Found struct {
	Sequences, Packets int
	Torn               int // comparisons of whole tables that were left out: see Bench
	Again              int // batches that were played again, undisturbed
	Divergences        []Divergence
}

// minimised is how many divergences of a batch are minimised: a mistake that is met often needs one.
const minimised = 4

// Maker makes a kernel; undisturbed means that nobody may change what it shares with others.
type Maker func(undisturbed bool) (oracle.Tracker, error)

// Check plays all sequences that next gives, in batches, each on a kernel of its own, until a batch differs. One that
// does is played again undisturbed: others may have filled or resized the machine's table meanwhile.
func Check(kernel Maker, o Options, batch int, next func() []oracle.Packet) (found Found, err error) {
	for {
		sequences := take(batch, next)
		if len(sequences) == 0 {
			return found, nil
		}
		for _, s := range sequences {
			found.Packets += len(s)
		}
		found.Sequences += len(sequences)
		bad, torn, err := play(kernel, false, o, sequences)
		if err == nil && len(bad) > 0 {
			found.Again++
			bad, torn, err = play(kernel, true, o, sequences)
		}
		found.Torn += torn
		if err != nil {
			return found, err
		}
		if len(bad) > 0 {
			found.Divergences, err = minimise(kernel, o, sequences, bad)
			return found, err
		}
	}
}

func take(n int, next func() []oracle.Packet) (all [][]oracle.Packet) {
	for len(all) < n {
		s := next()
		if s == nil {
			break
		}
		all = append(all, s)
	}
	return all
}

// play runs sequences on a kernel of their own. When the machine is too slow for so many, half as many run at a time, and
// one alone is tried again.
func play(kernel Maker, undisturbed bool, o Options, sequences [][]oracle.Packet) (bad map[int]string, torn int, err error) {
	bad, torn, err = playOnce(kernel, undisturbed, o, sequences)
	half := len(sequences) / 2
	for try := 0; errors.Is(err, errSlow) && half == 0 && try < 5; try++ {
		bad, torn, err = playOnce(kernel, undisturbed, o, sequences)
	}
	if !errors.Is(err, errSlow) || half == 0 {
		return bad, torn, err
	}
	bad, torn, err = play(kernel, undisturbed, o, sequences[:half])
	if err != nil {
		return nil, torn, err
	}
	rest, more, err := play(kernel, undisturbed, o, sequences[half:])
	for i, what := range rest {
		if i != Batch {
			i += half
		}
		bad[i] = what
	}
	return bad, torn + more, err
}

func playOnce(kernel Maker, undisturbed bool, o Options, sequences [][]oracle.Packet) (bad map[int]string, torn int, err error) {
	k, err := kernel(undisturbed)
	if err != nil {
		return nil, 0, err
	}
	b, err := Open(k, o)
	if err == nil {
		bad, err = b.Run(sequences)
		torn = b.Torn
	}
	return bad, torn, errors.Join(err, k.Close())
}

func minimise(kernel Maker, o Options, sequences [][]oracle.Packet, bad map[int]string) (all []Divergence, err error) {
	for _, i := range slices.Sorted(maps.Keys(bad)) {
		if len(all) == minimised {
			break
		}
		if i == Batch {
			all = append(all, Divergence{Case{o, nil}, fmt.Sprintf("%s, after %d sequences", bad[i], len(sequences))})
			continue
		}
		what := bad[i] // of the sequence with others beside it, should it alone not differ
		small := oracle.Minimize(sequences[i], func(s []oracle.Packet) bool {
			alone, _, playErr := play(kernel, true, o, [][]oracle.Packet{s})
			err = errors.Join(err, playErr)
			for _, text := range alone {
				what = text
			}
			return len(alone) > 0
		})
		all = append(all, Divergence{Case{o, small}, what})
	}
	return all, err
}

// lines is a sequence as text, a packet a line.
func lines(s []oracle.Packet) string {
	var b strings.Builder
	for _, p := range s {
		b.WriteString(p.String())
		b.WriteByte('\n')
	}
	return b.String()
}
