package model_test

import (
	"runtime"
	"syscall"
	"testing"
	"time"
)

// onCPU runs b.N packets on a thread of their own and reports the time that it got on a processor beside the clock's:
// on a machine with other work only that repeats.
func onCPU(b *testing.B, run func()) {
	b.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	b.ReportAllocs()
	b.ResetTimer()
	from := threadTime(b)
	run()
	b.ReportMetric(float64(threadTime(b)-from)/float64(b.N), "cpu-ns/op")
}

func threadTime(b *testing.B) time.Duration {
	b.Helper()
	const thread = 1 // RUSAGE_THREAD
	var u syscall.Rusage
	if err := syscall.Getrusage(thread, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
