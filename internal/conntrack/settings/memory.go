package settings

// BucketBytes is what one bucket of the hash table costs.
const BucketBytes = 8

// ExtensionBytes is the block of extensions beside each flow (kmalloc-128, 4.14 and later; accounting,
// timestamps and events together need 192).
const ExtensionBytes = 128

// FlowBytes is what one flow costs a kernel on 64-bit machines, extensions included: an estimate where
// /proc/slabinfo does not tell.
func FlowBytes(k Kernel) uint64 {
	if k.Known() && k.Version < V(5, 19) {
		return 320 + ExtensionBytes
	}
	return 256 + ExtensionBytes
}
