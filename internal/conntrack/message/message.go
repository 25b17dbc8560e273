// Package message holds sentences before they have a language: a code and its parameters.
//
// Floors that find, advise and act say what they mean with a [Message]; `surface/wording` turns it into
// English or French. A code is lower_snake_case and, with its parameters, is part of the JSON contract.
package message

// Params are the values that a sentence names. Values are strings, booleans, integers, floats, or
// slices of strings, so that they survive JSON.
type Params map[string]any

// Message is one sentence: its code in `surface/wording`, and what fills its gaps.
type Message struct {
	Code   string `json:"code"`
	Params Params `json:"params,omitempty"`
}

// New returns the sentence code with alternating parameter names and values: New("x", "file", f, "line", 3).
// A trailing name without a value is dropped.
func New(code string, pairs ...any) Message {
	m := Message{Code: code}
	for i := 0; i+1 < len(pairs); i += 2 {
		name, ok := pairs[i].(string)
		if !ok {
			continue
		}
		if m.Params == nil {
			m.Params = Params{}
		}
		m.Params[name] = pairs[i+1]
	}
	return m
}

// IsZero reports whether the message says nothing.
func (m Message) IsZero() bool { return m.Code == "" }
