package snapshot

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Encode writes the snapshot as JSON, its schema first.
func Encode(w io.Writer, s Snapshot) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	return enc.Encode(s)
}

// Decode reads a snapshot. Unknown keys, a newer schema and anything after the value are errors; a syntax
// error names its offset.
func Decode(data []byte) (Snapshot, error) {
	var head struct {
		Schema *string `json:"schema"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return Snapshot{}, decodeError(err)
	}
	switch {
	case head.Schema == nil:
		return Snapshot{}, errors.New("no schema: this is no snapshot")
	case *head.Schema != Schema && strings.HasPrefix(*head.Schema, "ctkeeper.snapshot/"):
		return Snapshot{}, fmt.Errorf("schema %s: this ctkeeper reads %s", *head.Schema, Schema)
	case *head.Schema != Schema:
		return Snapshot{}, fmt.Errorf("schema %q is no snapshot's", *head.Schema)
	}
	var s Snapshot
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&s); err != nil {
		return Snapshot{}, decodeError(err)
	}
	if rest := bytes.TrimSpace(data[dec.InputOffset():]); len(rest) > 0 {
		return Snapshot{}, fmt.Errorf("offset %d: something follows the snapshot", dec.InputOffset())
	}
	return s, nil
}

// decodeError puts the place into errors that know it.
func decodeError(err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax) && strings.HasPrefix(err.Error(), "unexpected end"):
		return fmt.Errorf("offset %d: the file ends in the middle of the snapshot", syntax.Offset)
	case errors.As(err, &syntax):
		return fmt.Errorf("offset %d: %w", syntax.Offset, err)
	case errors.As(err, &kind):
		return fmt.Errorf("offset %d: %s cannot be a %s", kind.Offset, kind.Field, kind.Value)
	}
	return err
}
