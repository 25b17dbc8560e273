package main

import (
	"encoding/json"
	"fmt"

	"ctkeeper/internal/conntrack/message"
	"ctkeeper/internal/surface/wording"
)

// writeJSON prints one document; its first key is its schema.
func (a *app) writeJSON(v any) error {
	enc := json.NewEncoder(a.out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// spoken is a message with its text, as JSON carries it.
type spoken struct {
	Code   string         `json:"code"`
	Params message.Params `json:"params,omitempty"`
	Text   string         `json:"text"`
}

func speak(lang wording.Lang, m message.Message) spoken {
	return spoken{m.Code, m.Params, wording.Say(lang, m)}
}

func speakAll(lang wording.Lang, all []message.Message) []spoken {
	var list []spoken
	for _, m := range all {
		list = append(list, speak(lang, m))
	}
	return list
}

// sayln prints one sentence on standard output.
func (a *app) sayln(code string, pairs ...any) error {
	_, err := fmt.Fprintln(a.out, wording.Say(a.language(), message.New(code, pairs...)))
	return err
}

// hint is a sentence for a hint: line.
func (a *app) hint(code string, pairs ...any) string {
	return wording.Say(a.language(), message.New(code, pairs...))
}
