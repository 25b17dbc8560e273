package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"ctkeeper/internal/advice/diagnose"
	"ctkeeper/internal/conntrack/message"
	"ctkeeper/internal/conntrack/snapshot"
	"ctkeeper/internal/host/collect"
	"ctkeeper/internal/host/kernlog"
	"ctkeeper/internal/surface/wording"
)

const explainLong = `Say in plain words what something means, whether this host shows it, and what to do. TOPIC is
a log line, an error text ("Resource temporarily unavailable"), a setting in any spelling, a
counter of conntrack -S, a flow's state or mark, or a finding code of ctkeeper doctor.

With --stdin, a pasted log is read instead and each kind of line in it explained.`

func newExplain(a *app) *cobra.Command {
	var stdin bool
	cmd := &cobra.Command{
		Use:   "explain TOPIC…",
		Short: "A log line, an error, a setting, a counter or a state, in plain words",
		Long:  explainLong,
		Example: "  ctkeeper explain nf_conntrack: table full, dropping packet\n  ctkeeper explain Resource temporarily unavailable\n" +
			"  ctkeeper explain insert_failed\n  dmesg | ctkeeper explain --stdin",
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case stdin && len(args) > 0:
				return usageError{errors.New("--stdin takes no topic")}
			case stdin:
				return a.explainLog(cmd)
			case len(args) == 0:
				return usageError{errors.New("explain what? a log line, an error, a setting, a counter, a state or a finding")}
			}
			return a.explain(cmd, strings.Join(args, " "))
		},
	}
	cmd.Flags().BoolVar(&stdin, "stdin", false, "explain the log that comes on standard input")
	return cmd
}

// answer is one topic explained.
type answer struct {
	topic
	Lines   uint64 // with --stdin: how many lines say so
	Example string
	Here    []message.Message
}

func (a *app) explain(cmd *cobra.Command, text string) error {
	t, ok := findTopic(text)
	if !ok {
		return hintError{fmt.Errorf("%q is not known", text), []string{a.hint("explain_near", "near", nearTopics(text))}}
	}
	s, err := a.snapshot(cmd.Context(), collect.Options{Tracking: true})
	if err != nil {
		return err
	}
	return a.printAnswers(text, []answer{{topic: t, Here: here(t, s, a.language())}})
}

// explainLog reads a pasted log in bounded memory and explains each kind of line in it.
func (a *app) explainLog(cmd *cobra.Command) error {
	sum := kernlog.NewSummary(kernlog.Options{})
	if err := kernlog.Read(cmd.Context(), kernlog.Stream("standard input", a.in), sum); err != nil {
		return err
	}
	byTopic := map[string]*answer{}
	var order []string
	for _, g := range sum.Log().Groups {
		t := logTopic(string(g.Kind))
		known := byTopic[t.Code]
		if known == nil {
			known = &answer{topic: t, Example: g.Example}
			byTopic[t.Code] = known
			order = append(order, t.Code)
		}
		known.Lines += g.Lines + g.Repeated
	}
	if len(order) == 0 {
		if err := a.sayln("explain_nothing"); err != nil {
			return err
		}
		return statusError(1)
	}
	var answers []answer
	for _, code := range order {
		answers = append(answers, *byTopic[code])
	}
	return a.printAnswers("", answers)
}

// here says whether this host shows the topic.
func here(t topic, s snapshot.Snapshot, lang wording.Lang) []message.Message {
	switch t.Kind {
	case "setting":
		return settingHere(t, s, lang)
	case "counter":
		return counterHere(t, s)
	case "state":
		return stateHere(t, s)
	}
	if len(t.Findings) == 0 {
		return nil
	}
	report := diagnose.Diagnose(s)
	var found []message.Message
	for _, code := range t.Findings {
		f, ok := report.Find(code)
		if !ok {
			continue
		}
		evidence := ""
		if len(f.Evidence) > 0 {
			evidence = wording.Say(lang, f.Evidence[0].Message)
		}
		found = append(found, message.New("explain_shows", "title", wording.Say(lang, message.New("finding_"+code)), "evidence", evidence))
	}
	if len(found) == 0 {
		return []message.Message{message.New("explain_shows_not")}
	}
	return found
}

// explainDocument is the JSON form, schema ctkeeper.explain/1.
type explainDocument struct {
	Schema  string            `json:"schema"`
	Topic   string            `json:"topic,omitempty"`
	Answers []explainedAnswer `json:"answers"`
}

type explainedAnswer struct {
	Kind    string   `json:"kind"`
	Code    string   `json:"code"`
	Lines   uint64   `json:"lines,omitempty"`
	Example string   `json:"example,omitempty"`
	Means   []spoken `json:"means"`
	Here    []spoken `json:"here,omitempty"`
	Do      []spoken `json:"do"`
}

func (a *app) printAnswers(text string, answers []answer) error {
	if a.format == "json" {
		lang := a.jsonLanguage()
		doc := explainDocument{Schema: "ctkeeper.explain/1", Topic: text}
		for _, x := range answers {
			doc.Answers = append(doc.Answers, explainedAnswer{x.Kind, x.Code, x.Lines, x.Example,
				speakAll(lang, x.Means), speakAll(lang, x.Here), speakAll(lang, x.Do)})
		}
		return a.writeJSON(doc)
	}
	p := &page{lang: a.language()}
	for i, x := range answers {
		if i > 0 {
			p.WriteString("\n")
		}
		p.answer(x)
	}
	_, err := fmt.Fprint(a.out, p.String())
	return err
}

func (p *page) answer(x answer) {
	if x.Lines > 0 {
		p.line("explain_line", "lines", x.Lines, "example", x.Example)
	} else {
		p.wrap("", "  ", x.Label+": "+p.say("explain_kind_"+x.Kind))
	}
	for _, part := range []struct {
		head string
		says []message.Message
	}{{"explain_means", x.Means}, {"explain_here", x.Here}, {"explain_do", x.Do}} {
		if len(part.says) == 0 {
			continue
		}
		p.WriteString("\n" + p.say(part.head) + "\n")
		for _, m := range part.says {
			p.wrap("  ", "  ", p.text(m))
		}
	}
}
