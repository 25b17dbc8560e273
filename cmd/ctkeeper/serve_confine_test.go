package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"ctkeeper/internal/lab"
)

// TestServeConfined: the daemon that root starts by hand gives up what it does not need, and goes on seeing what
// comes after: namespaces that only a process holds, incidents for a webhook, a renewed configuration.
func TestServeConfined(t *testing.T) {
	told := make(chan string, 1000)
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		told <- string(b)
	}))
	defer hook.Close()
	// 3 of 262144 flows and more are an incident.
	config := "interval: 200ms\npressure: 0.00001\nwebhooks: [{url: '" + hook.URL + "'}]\n"
	d := startDaemon(t, buildDaemon(t), config)
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", d.cmd.Process.Pid))
	if err != nil || len(tasks) < 3 {
		t.Fatal(tasks, err)
	}
	for _, task := range tasks {
		text, err := os.ReadFile(task)
		if err != nil {
			continue // the thread ended
		}
		for _, want := range []string{"NoNewPrivs:\t1\n", "Seccomp:\t2\n", "CapPrm:\t0000000400281000\n", "CapEff:\t0000000400281000\n"} {
			if !strings.Contains(string(text), want) {
				t.Errorf("%s: no %q in\n%s", task, want, text)
			}
		}
	}
	// Discovery is every half minute: SIGHUP begins it anew.
	space := lab.NewNamespace(t)
	lab.Fill(t, space, 50, lab.Mix{Established: 100, Timeout: 600})
	only := exec.Command("nsenter", "--net=/proc/self/ns/net", "unshare", "--net", "sleep", "60")
	if err := only.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = only.Process.Kill()
		_ = only.Wait() // killed
	}()
	d.renew(t, config+"node_exporter_names: true\n")
	if text := d.get(t, "/metrics"); !strings.Contains(text, `ctkeeper_flows{namespace="`+space.Name+`"} 50`) {
		t.Errorf("the namespace that came after is not seen:\n%.2000s", text)
	}
	if text := d.get(t, "/api/v1/findings"); strings.Contains(text, "confinement of ctkeeper") {
		t.Errorf("not confined: %s", regexp.MustCompile(`.{200}confinement.{200}`).FindString(text))
	}
	// Other tests' tables have incidents too, and of many namespaces a few at a time are looked at.
	for limit, mine := time.After(90*time.Second), false; !mine; {
		select {
		case body := <-told:
			mine = strings.Contains(body, space.Name)
		case <-limit:
			t.Fatal("the webhook was not told")
		}
	}
	// What was given up does not come back.
	for _, more := range []string{"token_file: " + t.TempDir() + "/token\n", "webhooks: [{url: 'http://127.0.0.1:9'}]\n"} {
		d.configure(t, more)
		if err := d.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		d.logged(t, "restart it")
	}
	_ = d.get(t, "/metrics")
}

// renew writes a configuration as programs do that replace files, and has it read.
func (d *daemon) renew(t *testing.T, text string) {
	t.Helper()
	path := filepath.Join(d.dir, "c.yaml")
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	if err := d.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	d.wait(t, "RELOADING=1")
	d.wait(t, "READY=1")
}

// TestServeWithoutWhatItMayDoWithout: no state directory that can be written, no confinement left to be done:
// it watches, and names what it lacks.
func TestServeWithoutWhatItMayDoWithout(t *testing.T) {
	binary := buildDaemon(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "state"), nil, 0o600); err != nil { // a file where a directory should be
		t.Fatal(err)
	}
	cmd := exec.Command(binary, "serve", "--state-dir", filepath.Join(dir, "state"), "--listen", "unix:"+filepath.Join(dir, "s"))
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	d := &daemon{cmd: cmd, dir: dir}
	d.client.Transport = unixTransport(filepath.Join(dir, "s"))
	buf := make([]byte, 4096)
	n, _ := log.Read(buf)
	if !strings.Contains(string(buf[:n]), "no history is kept") {
		t.Errorf("said: %s", buf[:n])
	}
	go func() { _, _ = io.Copy(io.Discard, log) }() // until it ends
	for range 100 {
		if resp, err := d.client.Get("http://ctkeeper/metrics"); err == nil {
			_ = resp.Body.Close()
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if text := d.get(t, "/api/v1/findings"); !strings.Contains(text, "history in "+dir) {
		t.Errorf("findings do not name the history: %s", text)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}
