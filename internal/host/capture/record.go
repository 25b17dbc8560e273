package capture

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/parquet-go/parquet-go"

	"ctkeeper/internal/conntrack/flow"
)

// RecordVersion is the version of the flow record's schema; readers take any version with the columns that
// they need.
const RecordVersion = 2

// row is one flow in Parquet: docs/record.md describes the columns. Optional columns are null where nothing is
// known.
type row struct {
	Start        int64   `parquet:"start,timestamp(microsecond),delta,zstd"`
	End          *int64  `parquet:"end,optional,timestamp(microsecond),zstd"`
	StartErrorMS int32   `parquet:"start_error_ms,delta,zstd"`
	EndErrorMS   int32   `parquet:"end_error_ms,delta,zstd"`
	Proto        string  `parquet:"proto,dict,zstd"`
	ProtoNumber  int32   `parquet:"proto_number,dict,zstd"`
	Family       int32   `parquet:"family,dict,zstd"`
	Src          string  `parquet:"src,dict,zstd"`
	Dst          string  `parquet:"dst,dict,zstd"`
	SPort        int32   `parquet:"sport,delta,zstd"`
	DPort        int32   `parquet:"dport,dict,zstd"`
	ReplySrc     *string `parquet:"reply_src,optional,dict,zstd"`
	ReplyDst     *string `parquet:"reply_dst,optional,dict,zstd"`
	ReplySPort   *int32  `parquet:"reply_sport,optional,zstd"`
	ReplyDPort   *int32  `parquet:"reply_dport,optional,zstd"`
	Zone         int32   `parquet:"zone,dict,zstd"`
	Mark         int64   `parquet:"mark,dict,zstd"`
	Assured      bool    `parquet:"assured"`
	States       string  `parquet:"states,dict,zstd"`
	StateMS      []int32 `parquet:"state_ms,zstd,list"`
	Timeout      int32   `parquet:"timeout,dict,zstd"`
	LastMS       *int32  `parquet:"last_ms,optional,zstd"`
	LastErrorMS  *int32  `parquet:"last_error_ms,optional,zstd"`
	Sample       float32 `parquet:"sample,dict,zstd"`
	BusyS        []int32 `parquet:"busy_s,zstd,list"`
	GapS         []int32 `parquet:"gap_s,zstd,list"`
	Packets      *int64  `parquet:"packets,optional,zstd"`
	Bytes        *int64  `parquet:"bytes,optional,zstd"`
	ReplyPackets *int64  `parquet:"reply_packets,optional,zstd"`
	ReplyBytes   *int64  `parquet:"reply_bytes,optional,zstd"`
	Ended        string  `parquet:"ended,dict,zstd"`
}

// rowGroup bounds the rows, and with them the memory, that wait to be written.
const rowGroup = 1 << 17

// RecordWriter writes flows to one Parquet file, which is whole only after Close.
type RecordWriter struct {
	w    *parquet.GenericWriter[row]
	rows []row
	n    int64
}

// NewRecordWriter starts a file; notes are kept in its metadata.
func NewRecordWriter(out io.Writer, notes map[string]string) *RecordWriter {
	options := []parquet.WriterOption{parquet.MaxRowsPerRowGroup(rowGroup), parquet.CreatedBy("ctkeeper", strconv.Itoa(RecordVersion), ""),
		parquet.KeyValueMetadata("ctkeeper.record", strconv.Itoa(RecordVersion))}
	for k, v := range notes {
		options = append(options, parquet.KeyValueMetadata(k, v))
	}
	return &RecordWriter{w: parquet.NewGenericWriter[row](out, options...), rows: make([]row, 0, 1024)}
}

// Note sets a note that is known only at the end, such as what was lost.
func (w *RecordWriter) Note(key, value string) { w.w.SetKeyValueMetadata(key, value) }

// Rows is how many flows were written.
func (w *RecordWriter) Rows() int64 { return w.n }

// Write adds a flow.
func (w *RecordWriter) Write(r *flow.Record) error {
	w.rows = append(w.rows, rowOf(r))
	w.n++
	if len(w.rows) < cap(w.rows) {
		return nil
	}
	return w.flush()
}

func (w *RecordWriter) flush() error {
	_, err := w.w.Write(w.rows)
	w.rows = w.rows[:0]
	return err
}

// Close writes what waits, and the footer.
func (w *RecordWriter) Close() error { return errors.Join(w.flush(), w.w.Close()) }

func rowOf(r *flow.Record) row {
	o := row{Start: r.Start.UnixMicro(), StartErrorMS: int32(r.StartError.Milliseconds()), EndErrorMS: int32(r.EndError.Milliseconds()),
		Proto: r.Orig.Proto.String(), ProtoNumber: int32(r.Orig.Proto), Family: 4, Src: r.Orig.Src.String(), Dst: r.Orig.Dst.String(),
		Zone: int32(r.Zone), Mark: int64(r.Mark), Assured: r.Assured, Timeout: int32(r.Timeout / time.Second), Ended: r.Ended, Sample: 1}
	if r.Sample > 0 {
		o.Sample = float32(r.Sample)
	}
	if !r.Last.IsZero() {
		after, unsure := int32(r.Last.Sub(r.Start).Milliseconds()), int32(r.LastError.Milliseconds())
		o.LastMS, o.LastErrorMS = &after, &unsure
	}
	o.SPort, o.DPort = portsOf(r.Orig)
	if r.Family == flow.IPv6 {
		o.Family = 6
	}
	if !r.End.IsZero() {
		end := r.End.UnixMicro()
		o.End = &end
	}
	if r.NAT() {
		src, dst := r.Reply.Src.String(), r.Reply.Dst.String()
		sport, dport := portsOf(r.Reply)
		o.ReplySrc, o.ReplyDst, o.ReplySPort, o.ReplyDPort = &src, &dst, &sport, &dport
	}
	if r.Counted {
		counts := []int64{int64(r.OrigCount.Packets), int64(r.OrigCount.Bytes), int64(r.ReplyCount.Packets), int64(r.ReplyCount.Bytes)}
		o.Packets, o.Bytes, o.ReplyPackets, o.ReplyBytes = &counts[0], &counts[1], &counts[2], &counts[3]
	}
	names := make([]string, len(r.States))
	for i, s := range r.States {
		names[i] = s.String()
		o.StateMS = append(o.StateMS, int32(r.At[i].Milliseconds()))
	}
	o.States = strings.Join(names, " ")
	for _, b := range r.Busy {
		o.BusyS, o.GapS = append(o.BusyS, int32(b.Until/time.Second)), append(o.GapS, int32(b.Gap/time.Second))
	}
	return o
}

// portsOf are the ports; ICMP shows its identifier, and type and code.
func portsOf(t flow.Tuple) (s, d int32) {
	if t.Proto == flow.ICMP || t.Proto == flow.ICMPv6 {
		return int32(t.ICMPID), int32(t.ICMPType)<<8 | int32(t.ICMPCode)
	}
	return int32(t.SrcPort), int32(t.DstPort)
}

// RecordReader reads a flow record.
type RecordReader struct {
	name string
	file *os.File
	r    *parquet.GenericReader[row]
	buf  []row
	next int
	at   int64
	// Notes are the file's metadata.
	Notes map[string]string
}

// OpenRecord opens a file. One that is torn, or no flow record, is a *FaultError that names it.
func OpenRecord(name string) (r *RecordReader, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() {
		if p := recover(); p != nil { // the library trusts the lengths of a corrupt file
			err = fmt.Errorf("corrupt: %v", p)
		}
		if err != nil {
			r, err = nil, errors.Join(&FaultError{Name: name, Err: err}, f.Close())
		}
	}()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	file, err := parquet.OpenFile(f, info.Size())
	if err != nil {
		return nil, err
	}
	version, ok := file.Lookup("ctkeeper.record")
	if !ok {
		return nil, errors.New("no flow record: ctkeeper.record is not in its metadata")
	}
	for _, column := range []string{"start", "proto_number", "src", "dst", "sport", "dport", "ended"} {
		if _, ok := file.Schema().Lookup(column); !ok {
			return nil, fmt.Errorf("a flow record of version %s without the column %s", version, column)
		}
	}
	r = &RecordReader{name: name, file: f, r: parquet.NewGenericReader[row](file), buf: make([]row, 256), Notes: map[string]string{}}
	r.buf = r.buf[:0]
	for _, kv := range file.Metadata().KeyValueMetadata {
		r.Notes[kv.Key] = kv.Value
	}
	return r, nil
}

// Rows is how many flows the file holds.
func (r *RecordReader) Rows() int64 { return r.r.NumRows() }

// Next returns the next flow, io.EOF after the last, or a *FaultError that names the row.
func (r *RecordReader) Next() (rec flow.Record, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &FaultError{Name: r.name, Offset: r.at, Err: fmt.Errorf("corrupt row: %v", p)}
		}
	}()
	if r.next == len(r.buf) {
		r.buf, r.next = r.buf[:cap(r.buf)], 0
		clear(r.buf)
		n, err := r.r.Read(r.buf)
		r.buf = r.buf[:n]
		if n == 0 {
			if err == nil || errors.Is(err, io.EOF) {
				return flow.Record{}, io.EOF
			}
			return flow.Record{}, &FaultError{Name: r.name, Offset: r.at, Err: err}
		}
	}
	rec, err = r.buf[r.next].record()
	if err != nil {
		return rec, &FaultError{Name: r.name, Offset: r.at, Err: err}
	}
	r.next++
	r.at++
	return rec, nil
}

// Close closes the file.
func (r *RecordReader) Close() error { return errors.Join(r.r.Close(), r.file.Close()) }

func (o *row) record() (flow.Record, error) {
	p := flow.Proto(o.ProtoNumber)
	r := flow.Record{Start: time.UnixMicro(o.Start).UTC(), StartError: time.Duration(o.StartErrorMS) * time.Millisecond, EndError: time.Duration(o.EndErrorMS) * time.Millisecond,
		Family: flow.IPv4, Zone: uint16(o.Zone), Mark: uint32(o.Mark), Assured: o.Assured, Timeout: time.Duration(o.Timeout) * time.Second, Ended: o.Ended}
	if o.Family == 6 {
		r.Family = flow.IPv6
	}
	if o.Sample > 0 && o.Sample < 1 { // before version 2 there is none
		r.Sample = float64(o.Sample)
	}
	if o.LastMS != nil && o.LastErrorMS != nil {
		r.Last, r.LastError = r.Start.Add(time.Duration(*o.LastMS)*time.Millisecond), time.Duration(*o.LastErrorMS)*time.Millisecond
	}
	if o.End != nil {
		r.End = time.UnixMicro(*o.End).UTC()
	}
	var err error
	if r.Orig, err = tupleOf(p, o.Src, o.Dst, o.SPort, o.DPort); err != nil {
		return r, err
	}
	r.Reply = inverse(r.Orig)
	if o.ReplySrc != nil && o.ReplyDst != nil && o.ReplySPort != nil && o.ReplyDPort != nil {
		if r.Reply, err = tupleOf(p, *o.ReplySrc, *o.ReplyDst, *o.ReplySPort, *o.ReplyDPort); err != nil {
			return r, err
		}
	}
	if o.Packets != nil && o.Bytes != nil && o.ReplyPackets != nil && o.ReplyBytes != nil {
		r.Counted = true
		r.OrigCount = flow.Counters{Packets: uint64(*o.Packets), Bytes: uint64(*o.Bytes)}
		r.ReplyCount = flow.Counters{Packets: uint64(*o.ReplyPackets), Bytes: uint64(*o.ReplyBytes)}
	}
	return r, o.course(&r)
}

// course fills in what is known of a flow between its start and its end.
func (o *row) course(r *flow.Record) error {
	for i, name := range strings.Fields(o.States) {
		st, ok := flow.ParseState(r.Orig.Proto, name)
		if !ok || i >= len(o.StateMS) {
			return fmt.Errorf("states %q and their times do not fit", o.States)
		}
		r.States, r.At = append(r.States, st), append(r.At, time.Duration(o.StateMS[i])*time.Millisecond)
	}
	if len(o.BusyS) != len(o.GapS) {
		return errors.New("busy_s and gap_s do not fit")
	}
	for i, s := range o.BusyS {
		r.Busy = append(r.Busy, flow.Stretch{Until: time.Duration(s) * time.Second, Gap: time.Duration(o.GapS[i]) * time.Second})
	}
	return nil
}

func tupleOf(p flow.Proto, src, dst string, sport, dport int32) (t flow.Tuple, err error) {
	t.Proto = p
	if t.Src, err = netip.ParseAddr(src); err != nil {
		return t, err
	}
	if t.Dst, err = netip.ParseAddr(dst); err != nil {
		return t, err
	}
	if p == flow.ICMP || p == flow.ICMPv6 {
		t.ICMPID, t.ICMPType, t.ICMPCode = uint16(sport), uint8(dport>>8), uint8(dport)
		return t, nil
	}
	t.SrcPort, t.DstPort = uint16(sport), uint16(dport)
	return t, nil
}

// inverse is the reply of a flow that nothing translates.
func inverse(t flow.Tuple) flow.Tuple {
	r := flow.Tuple{Src: t.Dst, Dst: t.Src, SrcPort: t.DstPort, DstPort: t.SrcPort, Proto: t.Proto, ICMPID: t.ICMPID, ICMPCode: t.ICMPCode}
	switch {
	case t.Proto == flow.ICMP && t.ICMPType == 8:
		r.ICMPType = 0
	case t.Proto == flow.ICMP || t.Proto == flow.ICMPv6:
		r.ICMPType = t.ICMPType + 1
	}
	return r
}
