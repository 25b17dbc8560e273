package lab

import "context"

// TB is what the helpers for tests need of a testing.TB. The testing package itself stays out of the product,
// whose drill uses this room.
type TB interface {
	Helper()
	Context() context.Context
	Cleanup(func())
	Log(args ...any)
	Logf(format string, args ...any)
	Error(args ...any)
	Errorf(format string, args ...any)
	Fatal(args ...any)
	Fatalf(format string, args ...any)
	Skip(args ...any)
	Skipf(format string, args ...any)
}
