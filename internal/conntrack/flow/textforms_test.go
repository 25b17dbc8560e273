package flow

import (
	"testing"
	"time"
)

// rich is a flow of the kinds that a test machine cannot make: offloaded, with a security context, and ended.
func rich(t *testing.T) Flow {
	t.Helper()
	var fl Flow
	if err := ParseText("udp 17 src=10.0.0.1 dst=10.0.0.2 sport=5 dport=53 packets=1 bytes=60 src=10.0.0.2 dst=10.0.0.1 sport=53 dport=5 packets=2 bytes=99 [HW_OFFLOAD] mark=1 secctx=u:r:a<b:s0 zone=3 helper=x&y use=1 id=9", &fl); err != nil {
		t.Fatal(err)
	}
	fl.Status |= Offload | Assured | SrcNATDone | DstNATDone
	fl.Present |= HasTimestamp
	fl.Start = time.Unix(1700000000, 900000000)
	return fl
}

func TestTextFormsOfRareParts(t *testing.T) {
	fl := rich(t)
	o := TextOptions{ID: true, Times: time.UTC, Now: time.Unix(1700000001, 100000000)}
	line := "udp      17 src=10.0.0.1 dst=10.0.0.2 sport=5 dport=53 packets=1 bytes=60 src=10.0.0.2 dst=10.0.0.1 sport=53 dport=5 packets=2 bytes=99 [HW_OFFLOAD] mark=1 secctx=u:r:a<b:s0 zone=3 delta-time=1 [start=Tue Nov 14 22:13:20 2023] helper=x&y use=1 id=9"
	if got := string(AppendText(nil, &fl, o)); got != line {
		t.Errorf("list\n%s\nnot\n%s", got, line)
	}
	xml := `<flow><meta direction="original"><layer3 protonum="2" protoname="ipv4"><src>10.0.0.1</src><dst>10.0.0.2</dst></layer3><layer4 protonum="17" protoname="udp"><sport>5</sport><dport>53</dport></layer4><counters><packets>1</packets><bytes>60</bytes></counters></meta>` +
		`<meta direction="reply"><layer3 protonum="2" protoname="ipv4"><src>10.0.0.2</src><dst>10.0.0.1</dst></layer3><layer4 protonum="17" protoname="udp"><sport>53</sport><dport>5</dport></layer4><counters><packets>2</packets><bytes>99</bytes></counters></meta>` +
		`<meta direction="independent"><mark>1</mark><secctx>u:r:a&lt;b:s0</secctx><zone>3</zone><use>1</use><id>9</id><assured/><timestamp><start>1700000000900000000</start></timestamp><deltatime>1</deltatime></meta><helper>x&amp;y</helper></flow>`
	if got := string(AppendXML(nil, &fl, o)); got != xml {
		t.Errorf("xml\n%s\nnot\n%s", got, xml)
	}
	save := "-A -u SEEN_REPLY,ASSURED -w 3 -s 10.0.0.1 -d 10.0.0.2 -r 10.0.0.2 -q 10.0.0.1 -p udp --sport 5 --dport 53 --reply-port-src 53 --reply-port-dst 5"
	if got := string(AppendSave(nil, &fl)); got != save {
		t.Errorf("save\n%s\nnot\n%s", got, save)
	}
}

func TestTextTimesOfAnEndedFlow(t *testing.T) {
	fl := rich(t)
	fl.Stop = fl.Start.Add(2900 * time.Millisecond)
	fl.Status = Confirmed | SeenReply | Offload
	fl.Present &^= HasCounters | HasReply | HasHelper | HasSecCtx
	o := TextOptions{Times: time.UTC, Now: time.Unix(1800000000, 0)}
	line := "udp      17 src=10.0.0.1 dst=10.0.0.2 sport=5 dport=53 [OFFLOAD] mark=1 zone=3 delta-time=2 [start=Tue Nov 14 22:13:20 2023] [stop=Tue Nov 14 22:13:23 2023] use=1"
	if got := string(AppendText(nil, &fl, o)); got != line {
		t.Errorf("printed\n%s\nnot\n%s", got, line)
	}
}

func TestTextFormsDoNotAllocate(t *testing.T) {
	fl := rich(t)
	fl.SecCtx, fl.Helper = "u:r:t:s0", "ftp"
	b := make([]byte, 0, 4096)
	o := TextOptions{Extended: true, ID: true, Times: time.UTC, Now: time.Unix(1800000000, 0)}
	if n := testing.AllocsPerRun(100, func() {
		b = AppendText(b[:0], &fl, o)
		b = AppendXML(b[:0], &fl, o)
		b = AppendSave(b[:0], &fl)
	}); n != 0 {
		t.Errorf("%v allocations a flow", n)
	}
}

func BenchmarkAppendText(b *testing.B) {
	var fl Flow
	if err := ParseText(lines[0], &fl); err != nil {
		b.Fatal(err)
	}
	fl.Present &^= HasCounters | HasZone
	buf := make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendText(buf[:0], &fl, TextOptions{})
	}
}
