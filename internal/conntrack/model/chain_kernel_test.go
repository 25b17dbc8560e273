package model_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"ctkeeper/internal/conntrack/model"
	"ctkeeper/internal/conntrack/packet"
	"ctkeeper/internal/host/ctnetlink"
	"ctkeeper/internal/lab"
)

// chained is what became of each of some thousands of new flows in a row: how many of them found a chain too long.
type chained [chainSteps]float64

// Many flows in few buckets: chains of 2 · 16,000 / 2048 = 16 flows after the first step, of 94 after the last if none were refused.
const (
	chainSteps   = 6
	chainStep    = 16000
	chainBuckets = 2048
	// chainsOff is how far the model's refusals are off, as chainTooLong tells.
	chainsOff = 0.05
)

// TestChainsThatAreTooLong crowds few buckets with many flows, in the kernel and in the model. Where a flow hangs and its limit are drawn, so the
// flows refused of each step are held to the model's mean over seeds: a binomial variable and the spread of that mean, four deviations of both, and what the model is known to be off.
func TestChainsThatAreTooLong(t *testing.T) {
	machine := lab.Lock(t)
	others := otherFlows(t)
	if err := machine.Set(lab.Buckets, fmt.Sprint(chainBuckets)); err != nil {
		t.Fatal(err)
	}
	var ours [chainSteps][6]float64
	for seed := range ours[0] {
		for step, n := range modelChains(t, uint64(seed), others) {
			ours[step][seed] = n
		}
	}
	kernel := kernelChains(t)
	all := 0.0
	for step, n := range kernel {
		hold(t, fmt.Sprintf("flows %d to %d beside %d of others", step*chainStep, (step+1)*chainStep, others), chainStep, n, ours[step][:], chainsOff)
		all += n
	}
	if all == 0 {
		t.Error("no chain was too long in the kernel: nothing is proven")
	}
}

// otherFlows is how many flows other namespaces have: they hang in the same chains. Those of namespaces that are gone are
// waited for a while.
func otherFlows(t *testing.T) (n int) {
	t.Helper()
	for range 100 {
		if n = flowObjects(t); n < 2000 {
			break
		}
		time.Sleep(200 * time.Millisecond)
	}
	return n
}

// flowObjects is how many flows the kernel's allocator holds, all namespaces together, to a few hundred.
func flowObjects(t *testing.T) (n int) {
	t.Helper()
	text, err := os.ReadFile("/proc/slabinfo")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(text), "\nnf_conntrack ")
	if _, err := fmt.Sscan(rest, &n); !ok || err != nil {
		t.Fatal("/proc/slabinfo knows no nf_conntrack")
	}
	return n
}

func modelChains(t *testing.T, seed uint64, others int) (out chained) {
	t.Helper()
	set := model.Defaults(model.Linux618())
	set.Max, set.Buckets = 0, chainBuckets
	m := model.New(model.Config{Settings: &set, Seed: seed, GCPhase: 3600e9})
	for fl := range lab.Flows(others, lab.Mix{Established: 100}) {
		if !m.Load(asTuple(&fl.Orig), asTuple(&fl.Reply), fl.Status, fl.State, 0, 3600e9) {
			t.Fatalf("flow %v was not loaded", fl.Orig)
		}
	}
	d := packet.NewDecoder(packet.Options{Seed: seed})
	var p packet.Packet
	for step := range out {
		before := m.Counters().ChainTooLong
		for _, frame := range lab.Datagrams(step*chainStep, chainStep) {
			d.IP(1, frame, &p)
			m.Step(1, &p)
		}
		out[step] = float64(m.Counters().ChainTooLong - before)
	}
	return out
}

func kernelChains(t *testing.T) (out chained) {
	t.Helper()
	wire, ns := lab.Tracked(t)
	if err := ns.SetSysctl("net/netfilter/nf_conntrack_udp_timeout", "600"); err != nil {
		t.Fatal(err)
	}
	conn, err := lab.Dial(ns)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := wire.Send(lab.Datagrams(1<<21, 1)...); err != nil { // the neighbours get to know each other
		t.Fatal(err)
	}
	time.Sleep(100 * time.Millisecond)
	before := tooLong(t, conn)
	for step := range out {
		if _, err := wire.Send(lab.Datagrams(step*chainStep, chainStep)...); err != nil {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond) // what is still on its way
		now := tooLong(t, conn)
		out[step] = now - before
		before = now
	}
	return out
}

// tooLong is how many flows the kernel refused in a namespace because a chain was too long.
func tooLong(t *testing.T, conn *ctnetlink.Conn) (n float64) {
	t.Helper()
	all, err := conn.CPUStats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, cpu := range all {
		n += float64(cpu.Counters["chain_toolong"])
	}
	return n
}
