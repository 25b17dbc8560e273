package model

import "ctkeeper/internal/conntrack/packet"

// ftpState is what the FTP helper keeps of a control connection.
type ftpState struct{}

// expectations are the flows that helpers wait for.
type expectations struct{}

func (x *expectations) drop(*Model, uint64) {}

func (m *Model) expected(*step) {}

func (m *Model) helper(*step) {}

var _ packet.Kind
