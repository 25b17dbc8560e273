package ctnetlink

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"ctkeeper/internal/conntrack/filter"
)

// Proofs keeps in a file which filters the running kernel was seen to keep in a flush, so that each is tried once
// a boot: a trial walks the machine's whole hash table. Nil keeps nothing. What cannot be read, or could have been
// written by somebody else, proves nothing; what cannot be written is tried again.
type Proofs struct{ path, kernel string }

// KeepProofs is about a file, which need not exist.
func KeepProofs(path string) *Proofs { return &Proofs{path, runningKernel()} }

// proven is the file: of which kernel, and the messages that it proved, in hexadecimal.
type proven struct {
	Kernel   string   `json:"kernel"`
	Messages []string `json:"messages"`
}

// Prove is [ProveFlush], but for filters that are known to be proven.
func (p *Proofs) Prove(ctx context.Context, f filter.Filter) (Proof, error) {
	parts := flushParts(f)
	if p == nil || p.kernel == "" || len(parts) == 0 {
		return ProveFlush(ctx, f)
	}
	message, known := identity(parts), p.load()
	if slices.Contains(known.Messages, message) {
		return Proof{parts}, nil
	}
	proof, err := ProveFlush(ctx, f)
	if err == nil {
		known.Messages = append(known.Messages, message)
		_ = p.store(known) // it is tried again, then
	}
	return proof, err
}

// identity is all that the kernel is told of a filter.
func identity(parts []kernelFilter) string {
	var b []byte
	for _, k := range parts {
		b = k.append(append(b, byte(k.family), k.version()))
	}
	return hex.EncodeToString(b)
}

// load is what is known of the running kernel.
func (p *Proofs) load() proven {
	none := proven{Kernel: p.kernel}
	file, err := os.OpenFile(p.path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return none
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Mode()&0o022 != 0 || info.Sys().(*syscall.Stat_t).Uid != uint32(os.Geteuid()) {
		return none
	}
	var known proven
	if json.NewDecoder(file).Decode(&known) != nil || known.Kernel != p.kernel {
		return none
	}
	return known
}

func (p *Proofs) store(known proven) (err error) {
	text, err := json.Marshal(known)
	if err != nil {
		return err
	}
	dir := filepath.Dir(p.path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	file, err := os.CreateTemp(dir, "new-*") // 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(file.Name()))
		}
	}()
	_, err = file.Write(text)
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), p.path)
}

// runningKernel names the boot, the kernel and what was loaded into it that a flush goes through; "" when the boot is
// not told.
func runningKernel() string {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	var about []string
	for _, path := range []string{"/proc/version", "/sys/module/nf_conntrack/srcversion", "/sys/module/nf_conntrack_netlink/srcversion"} {
		text, _ := os.ReadFile(path) // built in: it has none
		about = append(about, strings.TrimSpace(string(text)))
	}
	patches, _ := filepath.Glob("/sys/kernel/livepatch/*") // none without live patching
	return strings.TrimSpace(string(boot)) + " " + strings.Join(append(about, patches...), " ")
}
