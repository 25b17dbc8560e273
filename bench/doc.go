// Package bench measures the product beside its peers and the kernel's floor, in the same run, and prints
// the table of docs/performance.md:
//
//	CTKEEPER_BENCH=1000000 go test ./bench -run TestDump -v -timeout 30m
//
// Without the variable each measurement runs once over a small table, so that none rots.
package bench
