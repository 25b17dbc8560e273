package filter

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// token is one word, operator or parenthesis of an expression.
type token struct {
	text   string
	column int // from 1, in characters
}

// Parse reads an expression; an empty one matches every flow.
func Parse(text string) (Filter, error) {
	p := &parser{text: text, tokens: lex(text)}
	if p.done() {
		return Filter{text: strings.TrimSpace(text)}, nil
	}
	root, err := p.or()
	if err == nil && !p.done() {
		err = p.errorf("unexpected %q", p.peek())
	}
	if err != nil {
		return Filter{}, err
	}
	return Filter{root: root, text: strings.TrimSpace(text)}, nil
}

// lex cuts an expression at blanks, parentheses and comparison operators.
func lex(s string) []token {
	var tokens []token
	start := -1
	flush := func(end int) {
		if start >= 0 {
			tokens = append(tokens, token{s[start:end], column(s, start)})
			start = -1
		}
	}
	for i := 0; i < len(s); {
		n := operator(s[i:])
		switch {
		case s[i] == ' ' || s[i] == '\t' || s[i] == '\n' || s[i] == '\r':
			flush(i)
			i++
		case n > 0:
			flush(i)
			tokens = append(tokens, token{s[i : i+n], column(s, i)})
			i += n
		default:
			if start < 0 {
				start = i
			}
			i++
		}
	}
	flush(len(s))
	return tokens
}

func column(s string, i int) int { return utf8.RuneCountInString(s[:i]) + 1 }

// operator returns the length of the operator that s begins with, or 0.
func operator(s string) int {
	for _, op := range [...]string{"<=", ">=", "!=", "==", "&&", "||", "<", ">", "=", "(", ")", "!"} {
		if strings.HasPrefix(s, op) {
			return len(op)
		}
	}
	return 0
}

// maxDepth bounds how deep parentheses and negations may nest.
const maxDepth = 200

type parser struct {
	text   string
	tokens []token
	at     int
	depth  int
}

func (p *parser) done() bool { return p.at >= len(p.tokens) }

// peek returns the next word in lower case, or "" at the end.
func (p *parser) peek() string {
	if p.done() {
		return ""
	}
	return strings.ToLower(p.tokens[p.at].text)
}

// accept takes the next word when it is one of words.
func (p *parser) accept(words ...string) bool {
	for _, w := range words {
		if !p.done() && p.peek() == w {
			p.at++
			return true
		}
	}
	return false
}

// word takes the next word as it stands, as the value of what.
func (p *parser) word(what string) (string, error) {
	if p.done() || operator(p.tokens[p.at].text) > 0 {
		return "", p.errorf("%s needs a value", what)
	}
	p.at++
	return p.tokens[p.at-1].text, nil
}

// errorf makes an error at the next word.
func (p *parser) errorf(format string, args ...any) error {
	col := utf8.RuneCountInString(p.text) + 1
	if !p.done() {
		col = p.tokens[p.at].column
	}
	return &SyntaxError{Text: p.text, Column: col, What: fmt.Sprintf(format, args...)}
}

// badValue makes an error at the word just taken.
func (p *parser) badValue(format string, args ...any) error {
	p.at--
	return p.errorf(format, args...)
}

func (p *parser) or() (node, error) {
	left, err := p.and()
	for err == nil && p.accept("or", "||") {
		var right node
		if right, err = p.and(); err == nil {
			left = or{left, right}
		}
	}
	return left, err
}

func (p *parser) and() (node, error) {
	left, err := p.unary()
	for err == nil && !p.done() && p.peek() != "or" && p.peek() != "||" && p.peek() != ")" {
		p.accept("and", "&&")
		var right node
		if right, err = p.unary(); err == nil {
			left = and{left, right}
		}
	}
	return left, err
}

func (p *parser) unary() (node, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, p.errorf("nested more than %d deep", maxDepth)
	}
	defer func() { p.depth-- }()
	if p.accept("not", "!") {
		n, err := p.unary()
		return not{n}, err
	}
	if !p.accept("(") {
		return p.term()
	}
	n, err := p.or()
	if err == nil && !p.accept(")") {
		err = p.errorf("missing )")
	}
	return n, err
}
