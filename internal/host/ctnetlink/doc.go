// Package ctnetlink reads and changes the kernel's connection-tracking table over netlink.
//
//	c, err := ctnetlink.Dial(ctnetlink.Options{})
//	result, err := c.Dump(ctx, ctnetlink.DumpOptions{}, func(f *flow.Flow) error { … })
//
// A [Conn] belongs to the network namespace of the thread that dialled it. A dump is a stream: one buffer
// of 32 KiB, one [flow.Flow] that is used again for each entry, its parts taken from where the kernel put
// them, nothing allocated a flow. Whoever keeps a flow clones it. A dump says whether it was consistent,
// because the kernel loses rows silently when its hash table is resized meanwhile.
//
// Reading the table makes the kernel collect expired entries, so a dump asks for the count first.
//
// Filters are handed to the kernel as far as it is known to keep them, and always applied here again:
// what a caller is given matches. Nothing here decides what to delete; see action/flows.
//
// Promises rest on kernel 6.18; older kernels lack attributes and filters, which then are absent from
// flows or applied here. Needs CAP_NET_ADMIN in the namespace.
package ctnetlink
