// Package packet decodes a frame's bytes to what connection tracking needs, and nothing more.
//
//	d := packet.NewDecoder(packet.Options{Checksums: true})
//	var p packet.Packet
//	d.Decode(now, packet.Ethernet, frame, &p) // p.Kind says what became of it
//
// A [Decoder] stands for what the kernel does to a packet before conntrack sees it: it takes the link
// header off (VLAN tags too), refuses what the IP layer refuses, and puts fragments together as defrag
// does. A [Packet] is reused for every frame; its byte slices end with the frame. Decoding allocates
// nothing, fragments apart, whose memory is bounded.
//
// [Repair] mends what a capture broke: cut payloads and offloaded checksums. Reading files is
// host/capture's work; judging packets is model's.
package packet
