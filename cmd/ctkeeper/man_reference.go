package main

import (
	_ "embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"ctkeeper/internal/surface/exporter"
)

// exampleConfig is the configuration that packages install: every key with its default.
//
//go:embed ctkeeper.yaml
var exampleConfig string

// writeReferencePages writes ctkeeper.yaml(5) and ctkeeper-metrics(7).
func writeReferencePages(dir string) error {
	return errors.Join(
		os.WriteFile(filepath.Join(dir, "ctkeeper.yaml.5"), []byte(configPage()), 0o644),
		os.WriteFile(filepath.Join(dir, "ctkeeper-metrics.7"), []byte(metricsPage()), 0o644),
	)
}

func configPage() string {
	return ".TH CTKEEPER.YAML 5 \"\" \"ctkeeper\" \"File Formats Manual\"\n" +
		".SH NAME\nctkeeper.yaml \\- configuration of ctkeeper serve\n" +
		".SH DESCRIPTION\nRead from " + roff(defaultConfigPath) + " at the start and on SIGHUP. An unknown key is an error with its line. " +
		"Every key is shown here with its default, as in the file that packages install.\n.PP\n.nf\n" + roff(exampleConfig) +
		".fi\n.SH SEE ALSO\n.BR ctkeeper\\-serve (8),\n.BR ctkeeper\\-metrics (7)\n"
}

func metricsPage() string {
	var b strings.Builder
	b.WriteString(".TH CTKEEPER-METRICS 7 \"\" \"ctkeeper\" \"Miscellaneous Information Manual\"\n" +
		".SH NAME\nctkeeper\\-metrics \\- what /metrics of ctkeeper serve holds\n.SH DESCRIPTION\n" +
		"Labels are namespaces (256 at most), settings, protocols, states and kinds; never addresses. " +
		"Counters of the kernel, which has 32 bits for them, do not wrap here.\n.SH METRICS\n")
	for _, m := range exporter.Metrics() {
		labels := ""
		if len(m.Labels) > 0 {
			labels = "{" + strings.Join(m.Labels, ",") + "}"
		}
		fmt.Fprintf(&b, ".TP\n.B %s\n(%s) %s\n", roff(m.Name+labels), m.Type, roff(m.Help))
	}
	b.WriteString(".SH SEE ALSO\n.BR ctkeeper\\-serve (8),\n.BR ctkeeper.yaml (5)\n")
	return b.String()
}
