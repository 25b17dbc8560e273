// Package boot foretells what each conntrack setting will be after the next boot, and why, and finds what
// is wrong in the files that decide it.
//
//	in := boot.FromSnapshot(snap)
//	p := boot.Predict(in)        // for each setting: value and deciding line under each loader
//	problems := boot.Lint(in)    // file:line:col, code, severity, certain fix
//	changes := boot.Persist(in, map[string]int64{"max": 262144})
//
// It is pure: the files come with the snapshot ([Paths] says which), and nothing is written. How a line
// is read is host/sysctlconf's; what the kernel makes of a value is conntrack/settings'.
//
// Not foretold: what an initramfs holds that differs from the files on disk, systemd credentials, and
// scripts that call sysctl themselves (those that are known are named as writers).
package boot
