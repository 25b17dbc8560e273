package plan

import (
	"errors"
	"fmt"
)

// Errors of [Make].
var (
	ErrNoConntrack = errors.New("conntrack is not loaded on this host: there is nothing to set")
	ErrNoSettings  = errors.New("the snapshot holds no conntrack settings")
)

// WishError is a wish that cannot be granted.
type WishError struct {
	Setting string
	Value   int64
	Why     string
	// Low and High bound what would be possible, when that is the reason.
	Low, High int64
	Range     bool
}

// Error names the setting, the value and why not.
func (e *WishError) Error() string {
	if e.Range {
		return fmt.Sprintf("%s=%d: out of range: %d to %d", e.Setting, e.Value, e.Low, e.High)
	}
	return fmt.Sprintf("%s=%d: %s", e.Setting, e.Value, e.Why)
}
