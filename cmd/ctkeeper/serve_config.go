package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// serveConfig is ctkeeper.yaml; every key has a default, an unknown one is an error.
type serveConfig struct {
	Listen            string         `yaml:"listen"`
	StateDir          string         `yaml:"state_dir"`
	CPUBudget         share          `yaml:"cpu_budget"`
	Interval          span           `yaml:"interval"`
	Namespaces        string         `yaml:"namespaces"`
	Pressure          share          `yaml:"pressure"`
	HistorySize       byteSize       `yaml:"history_size"`
	WhatIf            bool           `yaml:"whatif"`
	NodeExporterNames bool           `yaml:"node_exporter_names"`
	Redact            bool           `yaml:"redact"`
	TokenFile         string         `yaml:"token_file"`
	TLS               serveTLS       `yaml:"tls"`
	Hosts             []string       `yaml:"hosts"`
	Webhooks          []serveWebhook `yaml:"webhooks"`

	path string // of the file that was read, "" without one
}

type serveTLS struct {
	Certificate string `yaml:"certificate"`
	Key         string `yaml:"key"`
	ClientCA    string `yaml:"client_ca"`
}

type serveWebhook struct {
	URL    string `yaml:"url"`
	Format string `yaml:"format"`
}

type (
	share    float64
	span     time.Duration
	byteSize int64
)

// UnmarshalYAML takes 1% or 0.01.
func (s *share) UnmarshalYAML(n *yaml.Node) error {
	if err := s.parse(n.Value); err != nil {
		return fmt.Errorf("line %d: %w", n.Line, err)
	}
	return nil
}

func (s *share) parse(text string) error {
	number, percent := strings.CutSuffix(strings.TrimSpace(text), "%")
	v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if percent {
		v /= 100
	}
	if err != nil || !(v > 0 && v <= 1) {
		return fmt.Errorf("%q is no share such as 1%% or 0.01", text)
	}
	*s = share(v)
	return nil
}

// UnmarshalYAML takes 1s, 500ms.
func (s *span) UnmarshalYAML(n *yaml.Node) error {
	v, err := time.ParseDuration(n.Value)
	if err != nil || v < 100*time.Millisecond || v > time.Hour {
		return fmt.Errorf("line %d: %q is no time between 100ms and 1h", n.Line, n.Value)
	}
	*s = span(v)
	return nil
}

// UnmarshalYAML takes 256MiB, 1GiB, or bytes.
func (s *byteSize) UnmarshalYAML(n *yaml.Node) error {
	v, err := parseBytes(n.Value)
	if err != nil || v < 1<<20 {
		return fmt.Errorf("line %d: %q is no size of at least 1MiB", n.Line, n.Value)
	}
	*s = byteSize(v)
	return nil
}

// parseBytes reads a size with an optional unit, in powers of 1024; MB and GB are of 1000.
func parseBytes(text string) (int64, error) {
	units := []struct {
		suffix string
		size   float64
	}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1}, {"", 1}}
	for _, u := range units {
		number, ok := strings.CutSuffix(strings.TrimSpace(text), u.suffix)
		if !ok {
			continue
		}
		v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if err != nil || !(v >= 0 && v*u.size <= 1e18) {
			return 0, fmt.Errorf("%q is no size", text)
		}
		return int64(v * u.size), nil
	}
	return 0, fmt.Errorf("%q is no size", text)
}

// defaultConfigPath is read when it is there and no other is named.
const defaultConfigPath = "/etc/ctkeeper/ctkeeper.yaml"

func defaultServeConfig() serveConfig {
	return serveConfig{Listen: "127.0.0.1:9745", StateDir: "/var/lib/ctkeeper", CPUBudget: 0.01, Interval: span(time.Second), Namespaces: "all",
		Pressure: 0.9, HistorySize: 256 << 20, WhatIf: true}
}

// readServeConfig reads a file over the defaults; path "" is the default path, which need not exist.
func readServeConfig(path string) (serveConfig, error) {
	c := defaultServeConfig()
	named := path != ""
	if !named {
		path = defaultConfigPath
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) && !named {
		return c, nil
	}
	if err != nil {
		return c, err
	}
	c.path = path
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&c); err != nil && !errors.Is(err, io.EOF) {
		return c, fmt.Errorf("%s: %s", path, strings.ReplaceAll(strings.TrimPrefix(err.Error(), "yaml: "), " in type main.serveConfig", ""))
	}
	if err := c.check(); err != nil {
		return c, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// check refuses what would not be safe, or would not do what it says.
func (c *serveConfig) check() error {
	if c.Namespaces != "all" && c.Namespaces != "present" {
		return fmt.Errorf("namespaces: %q is neither all nor present", c.Namespaces)
	}
	for i, w := range c.Webhooks {
		if !strings.HasPrefix(w.URL, "https://") && !strings.HasPrefix(w.URL, "http://") {
			return fmt.Errorf("webhooks: %d: url %q is no http address", i+1, w.URL)
		}
		switch w.Format {
		case "", "json", "slack", "alertmanager":
		default:
			return fmt.Errorf("webhooks: %d: format %q is not json, slack or alertmanager", i+1, w.Format)
		}
	}
	if (c.TLS.Certificate == "") != (c.TLS.Key == "") {
		return errors.New("tls: certificate and key belong together")
	}
	return c.checkListen()
}

// checkFiles reads the files that are named, so that one that cannot be used is an error at once.
func (c *serveConfig) checkFiles() error {
	if c.TokenFile != "" {
		if _, err := readToken(c.TokenFile); err != nil {
			return fmt.Errorf("token_file: %w", err)
		}
	}
	if c.TLS.Certificate != "" {
		if _, err := tlsConfig(c.TLS); err != nil {
			return fmt.Errorf("tls: %w", err)
		}
	}
	return nil
}

// checkListen lets the world in only with TLS, and a token or a client's certificate.
func (c *serveConfig) checkListen() error {
	if path, ok := strings.CutPrefix(c.Listen, "unix:"); ok {
		if !strings.HasPrefix(path, "/") {
			return fmt.Errorf("listen: %q: a socket's path begins with /", c.Listen)
		}
		return nil
	}
	host, _, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
		return nil
	}
	if c.TLS.Certificate == "" || c.TokenFile == "" && c.TLS.ClientCA == "" {
		return fmt.Errorf("listen: %s is reachable from elsewhere: that needs tls, and token_file or tls.client_ca", c.Listen)
	}
	return nil
}
