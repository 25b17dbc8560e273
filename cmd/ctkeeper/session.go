package main

import (
	"net/netip"
	"os"
	"strconv"
	"strings"

	"ctkeeper/internal/host/hostfs"
)

// sshPeers are the machines from which this process's session came: SSH_CONNECTION of this process and of
// those above it, because sudo takes the variable away.
func sshPeers(fs hostfs.FS) []string {
	peers := sshPeer(os.Getenv("SSH_CONNECTION"))
	for pid := os.Getppid(); pid > 1; {
		dir := "/proc/" + strconv.Itoa(pid)
		if env, err := fs.ReadFile(dir+"/environ", 1<<20); err == nil {
			for v := range strings.SplitSeq(string(env), "\x00") {
				if text, ok := strings.CutPrefix(v, "SSH_CONNECTION="); ok {
					peers = append(peers, sshPeer(text)...)
				}
			}
		}
		pid = parentOf(fs, dir)
	}
	return peers
}

// sshPeer is the address of "client port server port".
func sshPeer(connection string) []string {
	client, _, _ := strings.Cut(connection, " ")
	addr, err := netip.ParseAddr(client)
	if err != nil {
		return nil
	}
	return []string{addr.Unmap().WithZone("").String()}
}

// parentOf is the parent of a process; 0 when that is not known.
func parentOf(fs hostfs.FS, dir string) int {
	stat, err := fs.ReadFile(dir+"/stat", 4096)
	if err != nil {
		return 0
	}
	// The name in parentheses may hold anything.
	fields := strings.Fields(string(stat)[strings.LastIndexByte(string(stat), ')')+1:])
	if len(fields) < 2 {
		return 0
	}
	pid, err := strconv.Atoi(fields[1])
	if err != nil {
		return 0
	}
	return pid
}
