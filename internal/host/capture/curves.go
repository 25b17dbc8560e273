package capture

import (
	"errors"
	"io"
	"strconv"
	"time"

	"github.com/parquet-go/parquet-go"
)

// CurvesVersion is the version of the schema of curves.
const CurvesVersion = 1

// CurvePoint is how a replayed table stood in one step of time.
type CurvePoint struct {
	Run                       int
	At                        time.Time
	Count, Held               int
	Refused, EarlyDrops       uint64
	Max, Buckets, Established int64 // of the run's settings
	Name                      string
}

// curveRow is the same in Parquet.
type curveRow struct {
	Run         int32  `parquet:"run,dict,zstd"`
	Name        string `parquet:"name,dict,zstd"`
	Time        int64  `parquet:"time,timestamp(millisecond),delta,zstd"`
	Count       int64  `parquet:"count,delta,zstd"`
	Held        int64  `parquet:"held,delta,zstd"`
	Refused     int64  `parquet:"refused,delta,zstd"`
	EarlyDrops  int64  `parquet:"early_drops,delta,zstd"`
	Max         int64  `parquet:"max,dict,zstd"`
	Buckets     int64  `parquet:"buckets,dict,zstd"`
	Established int64  `parquet:"tcp_timeout_established,dict,zstd"`
}

// WriteCurves writes points as one Parquet file.
func WriteCurves(out io.Writer, points func(yield func(CurvePoint) bool)) error {
	w := parquet.NewGenericWriter[curveRow](out, parquet.CreatedBy("ctkeeper", strconv.Itoa(CurvesVersion), ""),
		parquet.KeyValueMetadata("ctkeeper.curves", strconv.Itoa(CurvesVersion)))
	var failed error
	row := make([]curveRow, 1)
	for p := range points {
		row[0] = curveRow{int32(p.Run), p.Name, p.At.UnixMilli(), int64(p.Count), int64(p.Held), int64(p.Refused), int64(p.EarlyDrops), p.Max, p.Buckets, p.Established}
		if _, failed = w.Write(row); failed != nil {
			break
		}
	}
	return errors.Join(failed, w.Close())
}
