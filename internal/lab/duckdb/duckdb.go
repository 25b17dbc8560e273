// Package duckdb asks DuckDB, an independent reader, what stands in a Parquet file. It is for tests.
package duckdb

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"

	"ctkeeper/internal/lab"
)

// program prints the rows that a query gives.
const program = `
import { DuckDBInstance } from '@duckdb/node-api';
const db = await (await DuckDBInstance.create(':memory:')).connect();
console.log(JSON.stringify((await db.runAndReadAll(process.argv[2])).getRowsJson()));
`

// Rows returns the rows of a query as JSON, from a reader of Parquet that has nothing in common with ours.
// The environment's CTKEEPER_DUCKDB says where @duckdb/node-api is installed; ./test.sh does it.
func Rows(tb lab.TB, query string) string {
	tb.Helper()
	dir := os.Getenv("CTKEEPER_DUCKDB")
	if dir == "" {
		if os.Getenv("CI") == "true" {
			tb.Fatalf("CTKEEPER_DUCKDB is not set")
		}
		tb.Skipf("CTKEEPER_DUCKDB does not say where @duckdb/node-api is installed")
	}
	script := filepath.Join(dir, "query.mjs") // modules are found beside it
	if err := os.WriteFile(script, []byte(program), 0o600); err != nil {
		tb.Fatalf("%v", err)
	}
	out, err := exec.Command("node", script, query).CombinedOutput()
	if err != nil {
		tb.Fatalf("%v\n%s", err, out)
	}
	return string(bytes.TrimSpace(out))
}
